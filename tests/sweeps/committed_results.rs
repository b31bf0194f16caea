//! The tables under results/ are restored, byte for byte, from the records beside them, and the tests of BLEU from the counts
//! of sentences.

use crate::common::{Workshop, long, root};
use std::path::PathBuf;

/// File names of a table.
const TABLES: [&str; 3] = ["table.md", "table.csv", "table.tex"];

/// Some sweeps with few records, and one in the layout of Table 3. Only the long suite makes the tables of all others,
/// because the time grows with every result.
const EVERY_DAY: [&str; 5] = ["demo", "multi30k-quick", "multi30k-table3", "spans", "tying"];

/// Returns the directories of sweeps under results/.
fn committed() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("results")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("sweep.toml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in EVERY_DAY {
        assert!(names.iter().any(|found| found == name), "results/{name} has no sweep.toml");
    }
    names
}

/// Returns the sweep's file of that name in sweeps/ or one of its folders.
fn sweep_file(name: &str) -> PathBuf {
    let sweeps = root().join("sweeps");
    let file = format!("{name}.toml");
    let found =
        [sweeps.join(&file), sweeps.join("questions").join(&file)].into_iter().find(|path| path.exists());
    found.unwrap_or_else(|| panic!("results/{name} is of a sweep that is not in sweeps/"))
}

#[test]
fn tables_are_those_of_their_records() {
    for name in committed() {
        let (sweep, folder) = (sweep_file(&name), root().join("results").join(&name));
        let read = |path: PathBuf| std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let kept = read(folder.join("sweep.toml")) == read(sweep.clone());
        assert!(kept, "results/{name}/sweep.toml is another file than {}", sweep.display());
        if !long() && !EVERY_DAY.contains(&name.as_str()) {
            continue;
        }

        let workshop = Workshop::new();
        let place = workshop.path("results").join(&name);
        std::fs::create_dir_all(&place).unwrap();
        let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap());
        for file in
            files.filter(|file| file.path().extension().is_some_and(|kind| kind == "jsonl" || kind == "gz"))
        {
            std::fs::copy(file.path(), place.join(file.file_name())).unwrap();
        }
        // No corpus is prepared there.
        let words = ["table", sweep.to_str().unwrap(), "--reuse-records", place.to_str().unwrap()];
        workshop.run(&words).expect(0);
        for table in TABLES {
            let (made, kept) = (place.join(table), folder.join(table));
            assert_eq!(
                String::from_utf8(read(made)).unwrap(),
                String::from_utf8(read(kept)).unwrap(),
                "results/{name}/{table}"
            );
        }
    }
}
