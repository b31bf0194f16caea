//! Members of archives: tar in any compression, and zip.
//!
//! Only the requested members are written, to places that the caller chose, and only after the archive was read to
//! its end. Paths that lead outside, links and other members that are not plain files, repeated members, and
//! decompression bombs are refused.

use super::compression::{Compression, SizeLimit, damage, plain_name};
use crate::error::{Error, Result, nearest};
use crate::files;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};
use zip::CompressionMethod;
use zip::result::ZipError;

/// Compression methods of zip members that can be read. The crate's own list has only those that it writes as well.
const ZIP_METHODS: [CompressionMethod; 5] = [
    CompressionMethod::Stored,
    CompressionMethod::Deflated,
    CompressionMethod::Bzip2,
    CompressionMethod::Lzma,
    CompressionMethod::Xz,
];

/// Largest number of members that an error lists.
const LISTED: usize = 12;

/// Base name of the temporary files of members.
pub(super) const MEMBER: &str = "member";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tar(Option<Compression>),
    Zip,
}

/// Returns the kind of an archive by the ending of its name; `None` for other files.
fn kind(name: &str) -> Option<Kind> {
    let short = [(".tgz", Compression::Gzip), (".tbz2", Compression::Bzip2), (".txz", Compression::Xz)];
    if name.ends_with(".zip") {
        return Some(Kind::Zip);
    }
    if let Some((_, compression)) = short.iter().find(|(ending, _)| name.ends_with(ending)) {
        return Some(Kind::Tar(Some(*compression)));
    }
    plain_name(name).ends_with(".tar").then(|| Kind::Tar(Compression::of(name)))
}

/// Whether a file of this name is an archive that [`extract`] can read.
pub fn is_archive(name: &str) -> bool {
    kind(name).is_some()
}

/// Writes members of `archive`, named by their paths in it, below `folder`; each is there whole or not at all.
///
/// # Errors
/// User errors that name archive and member: missing, twice there, no plain file, a path that leads outside,
/// damaged data, a bomb. I/O errors for what cannot be written.
pub fn extract(archive: &Path, members: &[&str], folder: &Path) -> Result<()> {
    let name = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut out = Extraction { archive, members, folder, seen: Vec::new(), written: BTreeMap::new() };
    match kind(&name) {
        Some(Kind::Tar(compression)) => out.tar(compression)?,
        Some(Kind::Zip) => out.zip()?,
        None => {
            return Err(out.refuse(
                "not an archive; expected .zip, .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz or .tar.zst",
            ));
        }
    }
    out.publish()
}

struct Extraction<'a> {
    archive: &'a Path,
    members: &'a [&'a str],
    folder: &'a Path,
    /// Files of the archive, for messages.
    seen: Vec<String>,
    /// Each member with the temporary file that holds it until all are complete.
    written: BTreeMap<String, PathBuf>,
}

impl Extraction<'_> {
    fn refuse(&self, why: &str) -> Error {
        Error::user(format!("{}: {why}", self.archive.display()))
    }

    /// Returns the error for a failure to read the archive: one of the system, or damaged data.
    fn unreadable(&self, error: io::Error) -> Error {
        if error.raw_os_error().is_some() {
            return Error::io("read", self.archive)(error);
        }
        let name = self.archive.to_string_lossy();
        let why = damage(&name, &error)
            .unwrap_or_else(|| format!("the archive is damaged or ends too early ({error}); fetch it again"));
        self.refuse(&why)
    }

    /// Does the same as [`Self::unreadable`] for a zip.
    fn unreadable_zip(&self, error: ZipError) -> Error {
        match error {
            ZipError::Io(error) => self.unreadable(error),
            ZipError::UnsupportedArchive(why) => {
                self.unknown(&format!("the archive has an unknown form ({why})"))
            }
            other => {
                self.refuse(&format!("the archive is damaged or ends too early ({other}); fetch it again"))
            }
        }
    }

    /// Returns the error for an intact archive that this program cannot read.
    fn unknown(&self, what: &str) -> Error {
        self.refuse(&format!(
            "{what}; unpack it with another program and give the folder of its files with --source DIR"
        ))
    }

    fn open(&self) -> Result<(File, u64)> {
        let file = File::open(self.archive).map_err(Error::io("read", self.archive))?;
        let size = file.metadata().map_err(Error::io("read", self.archive))?.len();
        Ok((file, size))
    }

    fn tar(&mut self, compression: Option<Compression>) -> Result<()> {
        let (file, size) = self.open()?;
        let file = BufReader::with_capacity(1 << 16, file);
        let input: Box<dyn Read> = match compression {
            Some(compression) => Box::new(SizeLimit::new(compression.reader(file), size)),
            None => Box::new(file),
        };
        let mut archive = tar::Archive::new(input);
        for entry in archive.entries().map_err(|error| self.unreadable(error))? {
            let mut entry = entry.map_err(|error| self.unreadable(error))?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let kind = entry.header().entry_type();
            if let Some(member) = self.wanted(&path, kind.is_dir(), kind.is_file())? {
                let size = entry.size();
                self.write(member, size, &mut entry)?;
            }
        }
        // Read what follows the last member, so that the checksum of the compressed data is compared.
        let mut rest = archive.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(|error| self.unreadable(error))?;
        Ok(())
    }

    fn zip(&mut self) -> Result<()> {
        let (file, _) = self.open()?;
        let mut archive =
            zip::ZipArchive::new(BufReader::new(file)).map_err(|error| self.unreadable_zip(error))?;
        for index in 0..archive.len() {
            let member = {
                let entry = archive.by_index_raw(index).map_err(|error| self.unreadable_zip(error))?;
                let path = String::from_utf8_lossy(entry.name_raw()).into_owned();
                let member = self.wanted(&path, entry.is_dir(), entry.is_file() && !entry.is_symlink())?;
                member.map(|member| (member, entry.compression(), entry.encrypted()))
            };
            if let Some((member, method, encrypted)) = member {
                if encrypted {
                    return Err(self.unknown(&format!("member {member:?} is encrypted")));
                }
                if !ZIP_METHODS.contains(&method) {
                    let known = ZIP_METHODS.map(|method| method.to_string()).join(", ");
                    return Err(self.unknown(&format!(
                        "member {member:?} is compressed as {method}, which is not among the methods that can be read \
                         ({known})"
                    )));
                }
                let mut entry = archive.by_index(index).map_err(|error| self.unreadable_zip(error))?;
                let (size, packed) = (entry.size(), entry.compressed_size());
                self.write(member, size, &mut SizeLimit::new(&mut entry, packed))?;
            }
        }
        Ok(())
    }

    /// Checks one entry; returns its path without `.` parts if it is a requested member.
    fn wanted(&mut self, path: &str, directory: bool, plain: bool) -> Result<Option<String>> {
        let Some(path) = inside(path) else {
            let why = format!("member {path:?} leads outside of the archive's folder; refused");
            return Err(self.refuse(&why));
        };
        if directory {
            return Ok(None);
        }
        self.seen.push(path.clone());
        if !self.members.contains(&path.as_str()) {
            return Ok(None);
        }
        if !plain {
            let why = format!("member {path:?} is a link or another thing that is no plain file; refused");
            return Err(self.refuse(&why));
        }
        if self.written.contains_key(&path) {
            return Err(self.refuse(&format!("member {path:?} is there twice; refused")));
        }
        Ok(Some(path))
    }

    /// Writes a member of `size` bytes under a temporary name.
    fn write(&mut self, path: String, size: u64, data: &mut dyn Read) -> Result<()> {
        let temporary = files::temporary_beside(&self.folder.join(MEMBER));
        let mut file = File::create(&temporary).map_err(Error::io("create", &temporary))?;
        self.written.insert(path.clone(), temporary.clone());
        let mut buffer = vec![0; 1 << 16];
        let mut written = 0;
        loop {
            let read = data.read(&mut buffer).map_err(|error| self.unreadable(error))?;
            if read == 0 {
                break;
            }
            file.write_all(&buffer[..read]).map_err(Error::io("write", &temporary))?;
            written += read as u64;
        }
        if written != size {
            let why =
                format!("member {path:?} has {written} bytes instead of {size}; fetch the archive again");
            return Err(self.refuse(&why));
        }
        file.sync_all().map_err(Error::io("write", &temporary))
    }

    /// Gives the written members their names if none is missing.
    fn publish(mut self) -> Result<()> {
        for member in self.members {
            if !self.written.contains_key(*member) {
                let near = nearest(member, self.seen.iter().map(String::as_str));
                let guess = near.map(|near| format!(" (did you mean {near:?}?)")).unwrap_or_default();
                let listed = self.seen.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join(", ");
                let more = if self.seen.len() > LISTED { ", …" } else { "" };
                return Err(self.refuse(&format!("no member {member:?}{guess}; it holds: {listed}{more}")));
            }
        }
        for (member, temporary) in std::mem::take(&mut self.written) {
            let place = self.folder.join(&member);
            if let Some(parent) = place.parent() {
                files::create_dir(parent)?;
            }
            std::fs::rename(&temporary, &place).map_err(Error::io("create", &place))?;
            files::sync_dir(place.parent().unwrap_or(self.folder))?;
        }
        files::sync_dir(self.folder)
    }
}

impl Drop for Extraction<'_> {
    /// Removes the temporary files that an error left. Only the first error is reported.
    fn drop(&mut self) {
        self.written.values().for_each(|temporary| _ = std::fs::remove_file(temporary));
    }
}

/// Returns a member's path without `.` parts; `None` if it leads outside of the folder that the archive is unpacked to.
pub fn inside(path: &str) -> Option<String> {
    if path.contains(['\\', '\0']) {
        return None;
    }
    let mut parts = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Compresses `bytes`.
    pub(crate) fn compressed(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        match compression {
            Compression::Gzip => {
                let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
                out.write_all(bytes).unwrap();
                out.finish().unwrap()
            }
            Compression::Bzip2 => {
                let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
                out.write_all(bytes).unwrap();
                out.finish().unwrap()
            }
            Compression::Xz => {
                let mut out =
                    lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
                out.write_all(bytes).unwrap();
                out.finish().unwrap()
            }
            Compression::Zstd => {
                ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
            }
        }
    }

    /// A tar of files, with names as they are given.
    fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, bytes) in members {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    /// Extracts `wanted`: the contents, or the message of the error.
    fn extracted(name: &str, bytes: &[u8], wanted: &[&str]) -> std::result::Result<Vec<Vec<u8>>, String> {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join(name);
        std::fs::write(&archive, bytes).unwrap();
        let out = folder.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let result = extract(&archive, wanted, &out);
        let left = std::fs::read_dir(&out).unwrap().count();
        match result {
            Ok(()) => Ok(wanted.iter().map(|member| std::fs::read(out.join(member)).unwrap()).collect()),
            Err(error) => {
                assert_eq!(error.exit_code(), 2, "{error}");
                assert_eq!(left, 0, "a failure leaves nothing behind: {error}");
                assert!(error.to_string().contains(name), "{error}");
                Err(error.to_string())
            }
        }
    }

    const TWO: [(&str, &[u8]); 3] = [("./d/a.en", b"one\n"), ("d/other", b"x"), ("d/a.de", b"eins\n")];

    /// The same members in every form of archive.
    fn forms() -> Vec<(String, Vec<u8>)> {
        let plain = tar(&TWO);
        let compressed = Compression::ALL.map(|c| (format!("a.tar{}", c.ending()), compressed(c, &plain)));
        let short = ("a.tgz".to_string(), compressed[0].1.clone());
        let mut forms = vec![("a.tar".to_string(), plain), ("a.zip".to_string(), zip(&TWO)), short];
        forms.extend(compressed);
        forms
    }

    #[test]
    fn every_form_gives_the_members_asked_for() {
        for (name, bytes) in forms() {
            let found = extracted(&name, &bytes, &["d/a.de", "d/a.en"]).unwrap();
            assert_eq!(found, [b"eins\n".to_vec(), b"one\n".to_vec()], "{name}");
            let said = extracted(&name, &bytes, &["d/a.de", "d/a.fr"]).unwrap_err();
            assert!(said.contains("no member \"d/a.fr\" (did you mean \"d/a."), "{said}");
            assert!(said.contains("d/other"), "{said}");
        }
    }

    /// `zipfile` of Python 3.11 with `ZIP_LZMA`: `d/a.en` with `one\n`.
    const LZMA: &str = "\
        504b03043f0002000e00000021009fa817f8170000000400000006000000642f612e656e090405005d0000800000379b88cc\
        fbd707fffffbc54000504b01023f033f0002000e00000021009fa817f8170000000400000006000000000000000000000080\
        0100000000642f612e656e504b05060000000001000100340000003b0000000000\
        ";

    #[test]
    fn zip_members_of_other_methods_are_read_or_named() {
        let options = zip::write::SimpleFileOptions::default();
        for method in [CompressionMethod::Bzip2, CompressionMethod::Xz] {
            let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
            writer.start_file("d/a.en", options.compression_method(method)).unwrap();
            writer.write_all(b"one\n").unwrap();
            let bytes = writer.finish().unwrap().into_inner();
            assert_eq!(extracted("a.zip", &bytes, &["d/a.en"]).unwrap(), [b"one\n"], "{method}");
        }
        let hex = LZMA.trim();
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let lzma: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        assert_eq!(extracted("a.zip", &lzma, &["d/a.en"]).unwrap(), [b"one\n"]);
        // The method and the flags of the member, in its own header and in the directory.
        let changed = |at: usize, value: u8| {
            let mut bytes = zip(&[("d/a.en", b"one\n")]);
            let directory = bytes.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
            (bytes[at], bytes[directory + at + 2]) = (value, value);
            extracted("a.zip", &bytes, &["d/a.en"]).unwrap_err()
        };
        for (said, what) in [(changed(8, 9), "compressed as Deflate64"), (changed(6, 1), "is encrypted")] {
            assert!(said.contains(what) && said.contains("member \"d/a.en\""), "{said}");
            assert!(said.contains("unpack it with another program") && !said.contains("damaged"), "{said}");
        }
    }

    #[test]
    fn truncated_archives_are_refused_whole() {
        for (name, bytes) in forms() {
            // Two blocks of zeros end a plain tar; without them the members are whole all the same.
            let least = if name == "a.tar" { bytes.len() - 1024 } else { bytes.len() };
            for length in (0..least).step_by(if name == "a.tar" { 100 } else { 9 }) {
                let said = extracted(&name, &bytes[..length], &["d/a.de", "d/a.en"])
                    .expect_err(&format!("{name} {length}"));
                assert!(said.contains("again") || said.contains("no member"), "{said}");
            }
        }
    }

    #[test]
    fn paths_that_lead_outside_are_refused_wherever_they_are() {
        for path in ["../a", "/a", "d/../../a", "d\\..\\a"] {
            for (name, bytes) in
                [("a.tar", tar(&[("a", b"x"), (path, b"y")])), ("a.zip", zip(&[("a", b"x"), (path, b"y")]))]
            {
                let said = extracted(name, &bytes, &["a"]).unwrap_err();
                assert!(said.contains("outside"), "{path}: {said}");
            }
        }
        assert_eq!(inside("./a//b/.").as_deref(), Some("a/b"));
    }

    #[test]
    fn links_and_repetitions_are_refused() {
        for kind in
            [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Fifo, tar::EntryType::GNUSparse]
        {
            let mut builder = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(0);
            if kind.is_symlink() || kind.is_hard_link() {
                header.set_link_name("/etc/passwd").unwrap();
            }
            // The real size of a sparse file; other kinds ignore it.
            header.as_gnu_mut().unwrap().realsize = *b"00000000000\0";
            header.set_path("a").unwrap();
            header.set_cksum();
            builder.append(&header, io::empty()).unwrap();
            let said = extracted("a.tar", &builder.into_inner().unwrap(), &["a"]).unwrap_err();
            assert!(said.contains("no plain file"), "{kind:?}: {said}");
        }
        let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        writer.add_symlink("a", "/etc/passwd", zip::write::SimpleFileOptions::default()).unwrap();
        let said = extracted("a.zip", &writer.finish().unwrap().into_inner(), &["a"]).unwrap_err();
        assert!(said.contains("no plain file"), "{said}");
        let said = extracted("a.tar", &tar(&[("a", b"x"), ("./a", b"y")]), &["a"]).unwrap_err();
        assert!(said.contains("twice"), "{said}");
    }

    #[test]
    fn bombs_are_refused() {
        let zeros = vec![0; super::super::compression::ALWAYS_ALLOWED as usize + 1];
        let members = [("a", zeros.as_slice())];
        let forms = [("a.tgz", compressed(Compression::Gzip, &tar(&members))), ("a.zip", zip(&members))];
        for (name, bytes) in forms {
            let said = extracted(name, &bytes, &["a"]).unwrap_err();
            assert!(said.contains("200 times"), "{name}: {said}");
        }
    }

    #[test]
    fn other_files_are_no_archives() {
        for name in ["a.gz", "a.txt", "tar", "a.tar.lz"] {
            assert!(!is_archive(name), "{name}");
            assert!(extracted(name, b"x", &["a"]).unwrap_err().contains("not an archive"));
        }
        for name in ["a.tar", "a.zip", "a.tgz"] {
            let said = extracted(name, b"<html>not found</html>", &["a"]).unwrap_err();
            assert!(said.contains("damaged") || said.contains("no member"), "{name}: {said}");
        }
    }
}
