//! The files of a corpus: found in a folder that the user gave, or downloaded from their addresses.

use super::recipe::Recipe;
use crate::error::{Error, Result};
use crate::fetch::compression::{Compression, plain_name};
use crate::fetch::download::{Checked, check_given};
use crate::fetch::{Cache, Download, Mirror, Policy, Progress};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folder of the downloads, below that of the prepared corpora.
const DOWNLOADS: &str = "downloads";

/// The files of a corpus, by the names that its recipe gives them.
#[derive(Debug, Default)]
pub struct Inputs {
    paths: BTreeMap<String, PathBuf>,
}

impl Inputs {
    /// Finds every file of `recipe` in the folder `source`, which may also hold the archives that the recipe
    /// names; without a folder, fetches them into `root`. Archives are unpacked into `root` either way.
    ///
    /// # Errors
    /// User errors for what is missing or another file than the recipe states; failures to download.
    pub fn find(
        recipe: &Recipe,
        source: Option<&Path>,
        root: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let mut search = Search {
            recipe,
            cache: Cache::new(&root.join(DOWNLOADS), Policy::default()),
            found: Inputs::default(),
        };
        let names = recipe.file_names();
        if names.is_empty() {
            return Ok(search.found);
        }
        match source {
            Some(folder) => search.in_folder(&names, folder, progress)?,
            None => search.at_addresses(&names, progress)?,
        }
        Ok(search.found)
    }

    /// Finds files of a folder.
    #[cfg(test)]
    pub fn in_folder(names: &[&str], folder: &Path) -> Result<Self> {
        let paths = names.iter().map(|name| {
            let path = beside(folder, name).ok_or_else(|| missing(folder, name, &[]))?;
            Ok((name.to_string(), path))
        });
        Ok(Inputs { paths: paths.collect::<Result<_>>()? })
    }

    /// The file that the recipe calls `name`.
    pub fn path(&self, name: &str) -> Result<&Path> {
        let path = self.paths.get(name).map(PathBuf::as_path);
        path.ok_or_else(|| Error::failed(format!("{name} is no file of the recipe")))
    }
}

struct Search<'a> {
    recipe: &'a Recipe,
    cache: Cache,
    found: Inputs,
}

impl<'a> Search<'a> {
    fn in_folder(&mut self, names: &[&'a str], folder: &Path, progress: &mut dyn Progress) -> Result<()> {
        if !folder.is_dir() {
            return Err(Error::user(format!(
                "{}: no such folder; --source names the one that holds the files of {}",
                folder.display(),
                self.recipe.name
            )));
        }
        let recipe = self.recipe;
        for name in names {
            if self.found.paths.contains_key(*name) {
                continue;
            }
            let download = recipe.download(name);
            let member = download.and_then(|download| download.members.get(*name));
            // A member may lie there under the name that it has in the archive, with or without its folders.
            let others = member
                .into_iter()
                .flat_map(|path| [Some(path.as_str()), recipe.bare_name(name, path)].into_iter().flatten());
            if let Some(path) = [*name].into_iter().chain(others).find_map(|name| beside(folder, name)) {
                self.found.paths.insert(name.to_string(), path);
                continue;
            }
            let archives: Vec<&Mirror> =
                download.iter().flat_map(|download| download.archive_mirrors()).collect();
            let at_hand =
                archives.iter().map(|mirror| mirror.file_name()).find(|name| folder.join(name).is_file());
            let (Some(file), Some(download), true) = (at_hand, download, member.is_some()) else {
                let mut archives: Vec<&str> = archives.iter().map(|mirror| mirror.file_name()).collect();
                archives.dedup();
                return Err(missing(folder, name, &archives));
            };
            let _lock = self.cache.lock()?;
            let same_name = archives.into_iter().filter(|mirror| mirror.file_name() == file);
            let archive = check_given(&folder.join(file), same_name)?;
            self.unpack(&archive, download, names, progress)?;
        }
        Ok(())
    }

    fn at_addresses(&mut self, names: &[&'a str], progress: &mut dyn Progress) -> Result<()> {
        let recipe = self.recipe;
        if let Some(name) =
            names.iter().find(|name| recipe.download(name).is_none() && recipe.address(name).is_none())
        {
            return Err(Error::user(format!(
                "{}: the recipe states no address for {name}; give the folder that holds its files: \
                 `ablate prepare … --source DIR`",
                recipe.name
            )));
        }
        let _lock = self.cache.lock()?;
        for name in names {
            if self.found.paths.contains_key(*name) {
                continue;
            }
            match recipe.download(name) {
                Some(download) => {
                    let file = self.cache.obtain(download, progress)?;
                    if download.members.contains_key(*name) {
                        self.unpack(&file, download, names, progress)?;
                    } else {
                        self.found.paths.insert(name.to_string(), file.path);
                    }
                }
                None => {
                    let mirrors = recipe.address(name).into_iter().map(Mirror::at).collect();
                    let download =
                        Download { name: Some(name.to_string()), members: BTreeMap::new(), mirrors };
                    let file = self.cache.obtain(&download, progress)?;
                    self.found.paths.insert(name.to_string(), file.path);
                }
            }
        }
        Ok(())
    }

    /// Unpacks the needed members of an archive in one pass.
    fn unpack(
        &mut self,
        archive: &Checked,
        download: &Download,
        names: &[&str],
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let wanted: Vec<(&str, &str)> =
            names.iter().filter_map(|name| Some((*name, download.members.get(*name)?.as_str()))).collect();
        let members: Vec<&str> = wanted.iter().map(|(_, member)| *member).collect();
        let paths = self.cache.members(archive, &members, progress)?;
        self.found.paths.extend(wanted.iter().map(|(name, _)| name.to_string()).zip(paths));
        Ok(())
    }
}

impl Recipe {
    /// Returns the last part of a path in an archive, under which the member `name` may lie in a folder; `None` if
    /// another file of the recipe could have the same name.
    fn bare_name<'a>(&self, name: &str, path: &'a str) -> Option<&'a str> {
        let bare = last_part(path);
        let is_bare = |other: &str| plain_name(other) == plain_name(bare);
        let mut members = self.origin.downloads.iter().flat_map(|download| &download.members);
        let is_shared = members.any(|(_, other)| other != path && is_bare(last_part(other)))
            || self.file_names().into_iter().any(|other| other != name && is_bare(other));
        (!is_shared).then_some(bare)
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The file called `name` in `folder`, in any form of compression.
fn beside(folder: &Path, name: &str) -> Option<PathBuf> {
    let plain = plain_name(name);
    let packed = Compression::ALL.map(|compression| format!("{plain}{}", compression.ending()));
    let names = [name.to_string(), plain.to_string()].into_iter().chain(packed);
    names.map(|name| folder.join(name)).find(|path| path.is_file())
}

fn missing(folder: &Path, name: &str, archives: &[&str]) -> Error {
    let endings = Compression::ALL.map(Compression::ending).join(", ");
    let archives = match archives {
        [] => String::new(),
        archives => format!(", nor {}", archives.join(" or ")),
    };
    Error::user(format!(
        "{}: there is no file {}, with or without one of {endings}{archives}; give the folder that holds it with --source",
        folder.display(),
        plain_name(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::pair;
    use crate::data::{Corpus, FilePairs, FilesCorpus};

    #[test]
    fn a_loose_file_is_taken_for_one_member_alone() {
        let [dev, test] = ["dev", "dev"].map(|name| FilePairs(vec![pair(name)]));
        let files = FilesCorpus { train: vec![pair("train")], dev, test, hold_out: None };
        let mut recipe = Recipe::new("r", "en", "de", Corpus::Files(files));
        let members =
            [("train.en", "c/train/en.txt"), ("dev.en", "c/dev/en.txt.gz"), ("train.de", "c/de.txt")];
        recipe.origin.downloads = vec![Download {
            name: None,
            members: members.map(|(name, path)| (name.to_string(), path.to_string())).into(),
            mirrors: vec![Mirror::at("http://h/c.zip")],
        }];
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        };
        let find =
            || Inputs::find(&recipe, Some(folder.path()), &folder.path().join("data"), &mut |_: &str| {});
        ["en.txt", "de.txt", "dev.de"].into_iter().for_each(write);
        let error = find().unwrap_err();
        assert!(error.to_string().contains("there is no file train.en"), "{error}");
        ["c/train/en.txt", "c/dev/en.txt.gz"].into_iter().for_each(write);
        let found = find().unwrap();
        for (name, path) in members.iter().take(2).chain(&[("train.de", "de.txt"), ("dev.de", "dev.de")]) {
            assert_eq!(found.path(name).unwrap(), folder.path().join(path));
        }
    }
}
