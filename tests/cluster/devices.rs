//! `--devices`: the driver spreads trials over cards. A script in the place of `nvidia-smi` lists the cards.

use crate::common::{Outcome, Workshop};
use std::os::unix::fs::PermissionsExt;

const SWEEP: &str = r#"
base = "tiny.toml"
seeds = [1, 2]

[retry]
attempts = 1

[[row]]
label = "base"
"#;

/// A workshop whose `nvidia-smi` prints `cards`.
fn workshop(cards: &str) -> Workshop {
    let workshop = Workshop::new();
    workshop.write("small.toml", SWEEP);
    std::fs::create_dir(workshop.path("bin")).unwrap();
    workshop
        .write("bin/nvidia-smi", &format!("#!/bin/sh\ncase $1 in --query-gpu=*) printf '{cards}';; esac\n"));
    let script = workshop.path("bin/nvidia-smi");
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
    workshop
}

fn run(workshop: &Workshop, words: &[&str], visible: Option<&str>) -> Outcome {
    let mut command = workshop.command(words);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", workshop.path("bin").display()));
    match visible {
        Some(list) => command.env("CUDA_VISIBLE_DEVICES", list),
        None => command.env_remove("CUDA_VISIBLE_DEVICES"),
    };
    Outcome(command.output().unwrap())
}

const TWO: &str = "0, GPU-a, 81559, 80000\\n1, GPU-b, 81559, 80000\\n";

/// The trials fail, because the cards do not exist. The log of each trial names the card that it was given.
#[test]
fn trials_are_spread_over_the_cards_and_each_sees_its_own_as_the_first() {
    let workshop = workshop(TWO);
    run(&workshop, &["sweep", "small.toml", "--devices", "cuda:0,cuda:1"], None)
        .says("2 to run, up to 2 at once");
    let cards = [1, 2].map(|seed| {
        let run = format!("results/small/base/seed-{seed}");
        assert!(workshop.text(format!("{run}/config.toml")).contains("device = \"cuda:0\""));
        workshop.text(format!("{run}/log.txt")).lines().next().unwrap().to_string()
    });
    assert_eq!(cards, ["on cuda:0, GPU-a", "on cuda:1, GPU-b"]);
}

#[test]
fn a_sweep_may_name_the_cards_and_small_trials_share_one() {
    let workshop = workshop(TWO);
    workshop.write("small.toml", &format!("devices = [\"cuda:1\"]\n{SWEEP}"));
    run(&workshop, &["sweep", "small.toml"], None).says("2 to run, up to 2 at once");
    for seed in [1, 2] {
        let log = workshop.text(format!("results/small/base/seed-{seed}/log.txt"));
        assert!(log.starts_with("on cuda:1, GPU-b\n"), "{log}");
    }
    // A card with room for one trial.
    let narrow = self::workshop("0, GPU-a, 2048, 1200\\n");
    run(&narrow, &["sweep", "small.toml", "--devices", "cuda"], None).says("up to 1 at once");
}

#[test]
fn cards_that_are_not_there_are_a_mistake() {
    let workshop = workshop(TWO);
    let words = |devices| ["sweep", "small.toml", "--devices", devices];
    run(&workshop, &words("cuda:2"), None).expect(2).says("there is no cuda:2; cuda:0 to cuda:1 are visible");
    run(&workshop, &words("cuda:1"), Some("1")).expect(2).says("only cuda:0 is visible");
    run(&workshop, &words("cpu"), None).expect(2).says("\"cpu\" is not a GPU");
    run(&workshop, &words("cuda:0,cuda:0"), None).expect(2).says("twice");
    workshop.write("bin/nvidia-smi", "#!/bin/sh\necho No devices were found\nexit 6\n");
    run(&workshop, &words("cuda"), None).expect(2).says("cannot be listed").says("No devices were found");
    assert!(!workshop.path("results").exists());
}
