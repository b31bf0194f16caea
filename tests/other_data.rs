//! A run whose corpus was prepared anew from another text.

mod common;

use common::{EXPERIMENT, Workshop};

/// Writes a corpus of files whose words end in `ending`.
fn write_corpus(workshop: &Workshop, ending: &str) {
    for (split, lines) in [("train", 40), ("dev", 3), ("test", 3)] {
        for language in ["en", "de"] {
            let line = |n: usize| format!("{language}{} word{ending} number {n}\n", n % 7);
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
    let translate =
        || workshop.run_with_input(&["translate", "results/files/seed-1"], b"en1 words number 3\n");
    translate().expect(0);
    std::fs::remove_dir_all(workshop.path("data")).unwrap();
    write_corpus(&workshop, "t");
    workshop.run(&["prepare", "files.toml", "--source", "."]).expect(0);
    translate().expect(2).says("was trained on other data");
}
