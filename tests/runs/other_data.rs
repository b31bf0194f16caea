//! A run whose corpus was prepared again from another text, and stores that this program cannot read.

use crate::common::{EXPERIMENT, Workshop};

/// Writes a corpus of files whose words end in `ending`.
fn write_corpus(workshop: &Workshop, ending: &str) {
    for (split, lines) in [("train", 40), ("dev", 3), ("test", 3)] {
        for language in ["en", "de"] {
            let line = |n: usize| match (split, language, n) {
                // A source of blanks; cleaning would not leave one in the training text.
                ("dev" | "test", "en", 1) => " \t \n".to_string(),
                _ => format!("{language}{} word{ending} number {n}\n", n % 7),
            };
            workshop.write(&format!("{split}.{language}"), &(0..lines).map(line).collect::<String>());
        }
    }
}

#[test]
fn a_run_is_not_used_with_the_tokens_of_another_text() {
    let workshop = Workshop::new();
    let generated =
        EXPERIMENT.find("[data.recipe.corpus.generated]").unwrap()..EXPERIMENT.find("[model]").unwrap();
    let mut experiment = EXPERIMENT.to_string();
    experiment.replace_range(
        generated,
        "[data.recipe.corpus.files]\ntrain = [{ source = \"train.en\", target = \"train.de\" }]\n\
         dev = { source = \"dev.en\", target = \"dev.de\" }\ntest = { source = \"test.en\", target = \"test.de\" }\n",
    );
    workshop.write("files.toml", &experiment);
    write_corpus(&workshop, "s");
    workshop.run(&["prepare", "files.toml", "--source", "."]).expect(0);
    workshop.run(&["train", "files.toml"]).expect(0);
    for split in ["dev", "test"] {
        let translations = workshop.text(format!("results/files/seed-1/hypotheses/{split}.txt"));
        assert_eq!(translations.split('\n').nth(1), Some(""), "blank in, blank out: {translations:?}");
    }
    let translate =
        || workshop.run_with_input(&["translate", "results/files/seed-1"], b"en1 words number 3\n");
    translate().expect(0);
    std::fs::remove_dir_all(workshop.path("data")).unwrap();
    write_corpus(&workshop, "t");
    workshop.run(&["prepare", "files.toml", "--source", "."]).expect(0);
    translate().expect(2).says("was trained on other data");
    // Its translations are not scored against other references, of which there may be as many.
    let run = "results/files/seed-1";
    for words in [&["score", run][..], &["compare", run, run]] {
        let outcome = workshop.run(words).expect(2).says("was trained on other data than");
        assert_eq!(outcome.out(), "", "{words:?}");
    }
    // Training does not continue from its checkpoints either.
    workshop.run(&["train", "files.toml"]).expect(2).says("results/files/seed-1");
}

#[test]
fn a_store_of_a_later_version_is_refused_by_name() {
    let workshop = Workshop::new();
    workshop.run(&["prepare", "tiny.toml"]).expect(0);
    let store = workshop.data_folder().join("train.store");
    let mut bytes = std::fs::read(&store).unwrap();
    bytes[8..12].copy_from_slice(&3u32.to_le_bytes());
    std::fs::write(&store, bytes).unwrap();
    workshop
        .run(&["train", "tiny.toml"])
        .expect(2)
        .says("train.store: it has version 3, this program reads versions 1 and 2; delete ")
        .says("run `ablate prepare` again");
    assert!(!workshop.path("results/tiny/seed-1/record.json").exists());
    workshop.run(&["prepare", "tiny.toml"]).expect(2).says("train.store");
}
