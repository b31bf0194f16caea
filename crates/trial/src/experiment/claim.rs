//! The claim on a run directory by a trial: the first line of its `config.toml`.
//!
//! `# trial IDENTITY CHECKSUM`, where the checksum is the blake3 of the identity and of the text after the line.
//! A damaged line must not pass for another trial's: the run would be moved away and trained again.
//! Files of version 0.1.0 have no checksum.

use super::run_paths::{CHECKPOINTS, CONFIG_FILE};
use crate::config::{Experiment, to_toml};
use crate::error::{Error, Result};
use crate::files;
use crate::results::record::Record;
use crate::train::checkpoint_files;
use std::path::Path;

const IDENTITY_LINE: &str = "# trial ";

/// Writes `config.toml` with the trial's identity on top.
pub fn claim(run_dir: &Path, experiment: &Experiment, identity: &str) -> Result<()> {
    let configuration = format!("\n{}", to_toml(experiment)?);
    let checksum = checksum(identity, configuration.as_bytes());
    let text = format!("{IDENTITY_LINE}{identity} {checksum}\n{configuration}");
    files::write_atomically(&run_dir.join(CONFIG_FILE), text.as_bytes())
}

/// The identity of the trial for which a run directory was started; `None` if nothing was started there. If
/// `config.toml` is missing or damaged, the identity comes from the record or the checkpoints.
///
/// # Errors
/// If there are checkpoints, but no undamaged file states whose.
pub fn claimed_identity(run_dir: &Path) -> Result<Option<String>> {
    let path = run_dir.join(CONFIG_FILE);
    let bytes = files::read_if_exists(&path)?;
    if let Some(identity) = bytes.as_deref().and_then(stated_identity) {
        return Ok(Some(identity));
    }
    if let Some(record) = Record::readable(run_dir) {
        return Ok(Some(record.identity));
    }
    match checkpoint_files::owner(&run_dir.join(CHECKPOINTS))? {
        None => Ok(None),
        Some(Some(owner)) => Ok(Some(owner.identity)),
        // By removing the file, a user states that the checkpoints belong to this trial.
        Some(None) if bytes.is_none() => Ok(None),
        Some(None) => Err(Error::user(format!(
            "{} is damaged, and no checkpoint beside it says whose it is; if the run is this trial's, remove that \
             file, else remove {}, and give the command again",
            path.display(),
            run_dir.display()
        ))),
    }
}

/// Whether `config.toml` exists and is undamaged.
pub fn is_sound(run_dir: &Path) -> Result<bool> {
    let bytes = files::read_if_exists(&run_dir.join(CONFIG_FILE))?;
    Ok(bytes.as_deref().and_then(stated_identity).is_some())
}

/// The identity in a `config.toml` whose checksum is valid; `None` for files of version 0.1.0, which have no checksum.
pub(super) fn sealed_identity(bytes: &[u8]) -> Option<String> {
    let line = bytes.split(|&byte| byte == b'\n').next()?;
    stated_identity(bytes).filter(|identity| line.len() > IDENTITY_LINE.len() + identity.len())
}

/// Whether a `config.toml` begins like the text of [`claim`], damaged or not.
pub(super) fn looks_claimed(bytes: &[u8]) -> bool {
    bytes.starts_with(IDENTITY_LINE.as_bytes())
}

/// The identity in an undamaged `config.toml`.
fn stated_identity(bytes: &[u8]) -> Option<String> {
    let line_end = bytes.iter().position(|&byte| byte == b'\n')?;
    let line = std::str::from_utf8(&bytes[..line_end]).ok()?.strip_prefix(IDENTITY_LINE)?;
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let rest = &bytes[line_end + 1..];
    let (identity, sound) = match line.split_once(' ') {
        Some((identity, stated)) => (identity, checksum(identity, rest) == stated),
        None => (line, rest.len() > 1),
    };
    (sound && is_hash(identity)).then(|| identity.to_string())
}

fn checksum(identity: &str, rest: &[u8]) -> String {
    blake3::Hasher::new().update(identity.as_bytes()).update(rest).finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn claimed() -> (tempfile::TempDir, Vec<u8>, String) {
        let folder = tempfile::tempdir().unwrap();
        let experiment = crate::config::load_experiment(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/demo.toml"),
            &[],
        )
        .unwrap();
        let identity = crate::config::identity(&experiment, "data");
        claim(folder.path(), &experiment, &identity).unwrap();
        let bytes = fs::read(folder.path().join(CONFIG_FILE)).unwrap();
        (folder, bytes, identity)
    }

    #[test]
    fn a_claim_comes_back_and_the_file_loads_as_an_experiment() {
        let (folder, bytes, identity) = claimed();
        assert_eq!(sealed_identity(&bytes).as_ref(), Some(&identity));
        assert!(looks_claimed(&bytes) && !looks_claimed(b"[model]\n"));
        assert_eq!(claimed_identity(folder.path()).unwrap(), Some(identity));
        assert!(is_sound(folder.path()).unwrap());
        crate::config::load_experiment(&folder.path().join(CONFIG_FILE), &[]).unwrap();
    }

    #[test]
    fn no_cut_and_no_flipped_bit_passes_for_a_sound_claim() {
        let (_folder, bytes, _) = claimed();
        for length in 0..bytes.len() {
            assert_eq!(stated_identity(&bytes[..length]), None, "cut to {length} bytes");
        }
        let mut flipped = bytes.clone();
        for bit in 0..bytes.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(stated_identity(&flipped), None, "bit {bit}");
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_claim_of_the_first_version_is_believed() {
        let identity = "0123456789abcdef".repeat(4);
        let text = format!("# trial {identity}\n\n[model]\n");
        assert_eq!(stated_identity(text.as_bytes()), Some(identity));
        assert_eq!(sealed_identity(text.as_bytes()), None);
        assert_eq!(stated_identity(b"# trial 12\n\n[model]\n"), None);
    }

    #[test]
    fn a_damaged_claim_is_nobodys_only_where_nothing_is_lost() {
        let (folder, bytes, _) = claimed();
        fs::write(folder.path().join(CONFIG_FILE), &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(claimed_identity(folder.path()).unwrap(), None);
        let checkpoints = folder.path().join(CHECKPOINTS);
        fs::create_dir(&checkpoints).unwrap();
        fs::write(checkpoints.join("step-00000004.state.safetensors"), "damaged too").unwrap();
        let error = claimed_identity(folder.path()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("config.toml is damaged"), "{error}");
        fs::remove_file(folder.path().join(CONFIG_FILE)).unwrap();
        assert_eq!(claimed_identity(folder.path()).unwrap(), None);
    }
}
