//! The commands of the README: its sweep file and every command run as printed, on a small experiment in place of
//! the one that needs a download.

use crate::common::{EXPERIMENT, Workshop, root};

const DEMO: &str = "base = \"../tiny.toml\"\nseeds = [1]\n[[row]]\nlabel = \"base\"\n";

/// Returns the fenced blocks of the README in one language, which is empty for output.
fn blocks(language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    // Text and blocks alternate.
    let blocks = text.split("\n```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap());
    blocks.filter(|(of, _)| *of == language).map(|(_, block)| block.to_string()).collect()
}

#[test]
fn the_sweep_and_every_command_run_as_printed() {
    let workshop = Workshop::new();
    for folder in ["sweeps", "experiments/multi30k"] {
        std::fs::create_dir_all(workshop.path(folder)).unwrap();
    }
    // Six updates, with a measurement after every third.
    let experiment = [
        ("\nsteps = 40", "\nsteps = 6"),
        ("dev_interval_steps = 10", "dev_interval_steps = 3"),
        ("dev_bleu_interval_steps = 20", "dev_bleu_interval_steps = 3"),
        ("checkpoint_interval_steps = 7", "checkpoint_interval_steps = 2"),
    ]
    .into_iter()
    .fold(EXPERIMENT.to_string(), |text, (from, to)| text.replace(from, to));
    workshop.write("experiments/multi30k/tiny.toml", &experiment);
    workshop.write("sweeps/demo.toml", DEMO);
    let [sweep] = &blocks("toml")[..] else { panic!("the README has one file in TOML") };
    workshop.write("sweeps/position.toml", sweep);

    let mut commands = Vec::new();
    for line in blocks("sh").iter().flat_map(|block| block.lines()) {
        let command = line.split(" #").next().unwrap().trim();
        let words: Vec<&str> = command.split_whitespace().collect();
        match words[0] {
            "ablate" | "scripts/ablate" => match &words[1..] {
                // The corpus is downloaded from the network, which a test does not have; tests/texts/download.rs
                // downloads one from a local server.
                ["prepare", recipe] => {
                    let recipe = format!("experiments/recipes/{recipe}.toml");
                    assert!(root().join(&recipe).is_file(), "there is no {recipe}");
                }
                words => drop(workshop.run(words).expect(0)),
            },
            "tensorboard" => assert!(workshop.path(words[2]).is_dir(), "{command}"),
            script => assert!(root().join(script).is_file(), "there is no {script}"),
        }
        commands.push(words[1..].first().map_or(words[0], |word| word).to_string());
    }
    let expected =
        ["sweep", "scripts/test", "report", "--logdir", "prepare", "sweep", "sweep", "status", "compare"];
    assert_eq!(commands, expected);
    let records = workshop.text("results/position/records.jsonl");
    assert_eq!(records.lines().count(), 18, "two rows, three positions, three seeds");
}

#[test]
fn the_mistake_is_told_as_printed() {
    let workshop = Workshop::new();
    std::fs::create_dir_all(workshop.path("experiments/my")).unwrap();
    workshop
        .write("experiments/my/deep.toml", "base = \"../../tiny.toml\"\n\n[model]\nheads = 4\nlayer = 8\n");
    let told = workshop.run(&["train", "experiments/my/deep.toml"]).expect(2).err();
    let printed = blocks("").into_iter().find(|block| block.starts_with("error:")).unwrap();
    assert!(printed.lines().count() >= 4, "{printed}");
    for (printed, told) in printed.lines().zip(told.lines().chain(std::iter::repeat(""))) {
        match printed.strip_suffix('…') {
            Some(begin) => assert!(told.starts_with(begin), "{told}"),
            None => assert_eq!(printed, told),
        }
    }
}
