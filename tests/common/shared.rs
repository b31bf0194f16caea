//! Workshops in which a long computation has already run: once in a process, for all of its tests that begin from it.

use super::Workshop;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError};

/// A workshop that tests get copies of, once it is made.
type Template = Arc<OnceLock<Workshop>>;

/// The workshops of this process, by what has run in them.
static TEMPLATES: Mutex<BTreeMap<String, Template>> = Mutex::new(BTreeMap::new());

impl Workshop {
    /// Returns a workshop in which the sweep `text` has run, as `small.toml`.
    #[track_caller]
    pub fn swept(text: &str) -> Self {
        Workshop::swept_as("small.toml", text)
    }

    /// Returns a workshop in which the sweep `text` has run, as this file.
    #[track_caller]
    pub fn swept_as(file: &str, text: &str) -> Self {
        Workshop::copied(format!("{file}\n{text}"), || {
            let workshop = Workshop::new();
            workshop.write(file, text);
            workshop.run(&["sweep", file]).expect(0);
            workshop
        })
    }

    /// Returns a workshop in which `tiny.toml` is trained.
    #[track_caller]
    pub fn trained() -> Self {
        Workshop::copied("train tiny.toml".into(), || {
            let workshop = Workshop::new();
            workshop.run(&["train", "tiny.toml"]).expect(0);
            workshop
        })
    }

    /// Returns a copy of the workshop that `make` makes. The first test that asks for this `name` makes it; others wait.
    /// A copy is as good as the first, because the files of a program name no place outside of the workshop.
    pub fn copied(name: String, make: impl FnOnce() -> Workshop) -> Self {
        // Templates of a process that is killed stay in the folder of temporary files.
        static REMOVED_AT_EXIT: Once = Once::new();
        // SAFETY: the function may run at any time, because it only takes a lock and removes files.
        REMOVED_AT_EXIT.call_once(|| assert_eq!(unsafe { libc::atexit(remove_templates) }, 0));
        let template = templates().entry(name).or_default().clone();
        template.get_or_init(make).copy()
    }

    /// Returns a workshop with the same files, links, permissions and times.
    fn copy(&self) -> Self {
        let copy = Workshop { folder: tempfile::tempdir().unwrap() };
        let mut command = Command::new("cp");
        let done = command.arg("-a").args([self.path("."), copy.path("")]).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        copy
    }
}

fn templates() -> MutexGuard<'static, BTreeMap<String, Template>> {
    TEMPLATES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Statics are not dropped when a process ends, and folders of templates would stay.
extern "C" fn remove_templates() {
    templates().clear();
}
