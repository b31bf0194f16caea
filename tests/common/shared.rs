//! Workshops in which something long has run already: once in a process, however many of its tests begin from it.

use super::Workshop;
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError};

/// A workshop that tests get copies of, once it is made.
type Template = Arc<OnceLock<Workshop>>;

/// The workshops of this process, by what has run in them.
static TEMPLATES: Mutex<BTreeMap<String, Template>> = Mutex::new(BTreeMap::new());

impl Workshop {
    /// A workshop in which the sweep `text` has run, as `small.toml`.
    #[track_caller]
    pub fn swept(text: &str) -> Self {
        Workshop::swept_as("small.toml", text)
    }

    /// A workshop in which the sweep `text` has run, as this file.
    #[track_caller]
    pub fn swept_as(file: &str, text: &str) -> Self {
        Workshop::copied(format!("{file}\n{text}"), || {
            let workshop = Workshop::new();
            workshop.write(file, text);
            workshop.run(&["sweep", file]).expect(0);
            workshop
        })
    }

    /// A workshop in which `tiny.toml` is trained.
    #[track_caller]
    pub fn trained() -> Self {
        Workshop::copied("train tiny.toml".into(), || {
            let workshop = Workshop::new();
            workshop.run(&["train", "tiny.toml"]).expect(0);
            workshop
        })
    }

    /// A copy of the workshop that `make` makes, which the first test that asks for this `name` does; others wait for it.
    /// What a program leaves names no place outside of the workshop, so a copy is as good as the first.
    pub fn copied(name: String, make: impl FnOnce() -> Workshop) -> Self {
        // Templates of a process that is killed stay in the folder of temporary files.
        static REMOVED_AT_EXIT: Once = Once::new();
        // SAFETY: the function may run at any time, because it only takes a lock and removes files.
        REMOVED_AT_EXIT.call_once(|| assert_eq!(unsafe { libc::atexit(remove_templates) }, 0));
        let template = templates().entry(name).or_default().clone();
        template.get_or_init(make).copy()
    }

    /// A workshop with the same files, links, permissions and times.
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
