//! Records of a run on short sentences, on scores by the length of the source, and on how sharp attention is.

use crate::common::Workshop;
use crate::common::runs::RUN;
use serde_json::Value;

fn train(workshop: &Workshop, name: &str, sets: &[&str]) -> (Value, String) {
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let words: Vec<&str> = ["train", "tiny.toml", "--name", name].into_iter().chain(sets).collect();
    let said = workshop.run(&words).expect(0).err();
    (workshop.record(&format!("results/{name}/seed-1")), said)
}

#[test]
fn longer_pairs_are_left_out_of_the_training_and_counted() {
    let workshop = Workshop::trained();
    let all = workshop.record(RUN);
    let (short, said) = train(&workshop, "short", &["data.max_train_length=40"]);
    let [pairs, kept, left_out] =
        [&all["data"]["train_pairs"], &short["data"]["train_pairs"], &short["data"]["left_out_pairs"]]
            .map(|count| count.as_u64().unwrap());
    assert!(kept > 20 && left_out > 20 && kept + left_out == pairs, "{kept} and {left_out} of {pairs}");
    let told =
        format!("data.max_train_length = 40: training on {kept} pairs, {left_out} longer ones are left out");
    assert!(said.contains(&told), "{said}");
    assert!(all["data"].get("left_out_pairs").is_none(), "{all}");
    // One prepared corpus serves both, and the two are different trials.
    assert_eq!(all["data"]["fingerprint"], short["data"]["fingerprint"]);
    assert_eq!(
        crate::common::names(&workshop.path("data")).iter().filter(|name| name.starts_with("tiny-")).count(),
        1
    );
    assert_ne!(all["identity"], short["identity"]);
    assert_ne!(all["training_identity"], short["training_identity"]);
    let refused = workshop.run(&["train", "tiny.toml", "--set", "data.max_train_length=60"]).expect(2);
    refused.says("data.max_train_length = 60 leaves nothing out");
    workshop
        .run(&["train", "tiny.toml", "--set", "data.max_train_length=1"])
        .expect(2)
        .says("the training text is empty: there is nothing to train on");
}

#[test]
fn lines_that_are_too_long_for_a_model_are_named_and_nothing_is_translated() {
    let workshop = Workshop::trained();
    let sets = ["model.position=learned", "model.learned_positions=80"];
    train(&workshop, "learned", &sets);
    for (run, words, message) in [
        (RUN, 10_001, "and lines of more than 10000 are refused"),
        ("results/learned/seed-1", 100, "but model.learned_positions = 80 leaves room for 79"),
    ] {
        let input = format!("a dog\n{}\n", "a ".repeat(words));
        let outcome = workshop.run_with_input(&["translate", run], input.as_bytes()).expect(2);
        let outcome = outcome.says("standard input, line 2 has ").says(message);
        assert_eq!(outcome.out(), "");
    }
}

#[test]
fn scores_by_length_stand_in_record_curves_and_table() {
    let workshop = Workshop::swept(
        "base = \"tiny.toml\"\nseeds = [1]\nset = { \"training.dev_bleu_interval_steps\" = 0 }\n\
         [table]\ncolumns = [\"test/bleu\", \"test/bleu@1-30\", \"test/exact_match@41+\", \"test/exact_match\"]\n\
         [[row]]\nlabel = \"base\"\n[[row]]\nlabel = \"classes\"\nset = { \"decoding.length_buckets\" = [30, 40] }\n",
    );
    let run = "results/small/classes/seed-1";
    let [plain, classes] = ["results/small/base/seed-1", run].map(|run| workshop.record(run));
    // The training is the same and ran once.
    assert_eq!(plain["training_identity"], classes["training_identity"]);
    assert_eq!(plain["checksums"]["weights"], classes["checksums"]["weights"]);
    let tags =
        |record: &Value| -> Vec<String> { record["metrics"].as_object().unwrap().keys().cloned().collect() };
    let added: Vec<String> = tags(&classes).into_iter().filter(|tag| !tags(&plain).contains(tag)).collect();
    let of_classes: Vec<&String> = added.iter().filter(|tag| tag.contains('@')).collect();
    assert!(of_classes.len() >= 4, "{added:?}");
    let rest: Vec<&String> = added.iter().filter(|tag| !tag.contains('@')).collect();
    assert_eq!(rest, ["dev/exact_match", "test/exact_match"]);
    let curves = workshop.text(format!("{run}/metrics.csv"));
    for tag in &of_classes {
        assert!(curves.contains(&format!(",{tag},")), "{tag}");
        assert!(curves.contains(&format!(",final/{},", tag.replace('/', "_"))), "{tag}");
    }
    let table = workshop.text("results/small/table.csv");
    let mut lines = table.lines();
    let header = lines.next().unwrap();
    assert!(header.contains("test/bleu@1-30,test/bleu@1-30 sd,test/exact_match@41+"), "{header}");
    assert!(lines.next().unwrap().starts_with("base,"), "{table}");
    workshop.run(&["verify", run]).expect(0);
}

#[test]
fn the_tokeniser_of_bleu_is_that_of_the_settings_wherever_a_run_is_scored() {
    let workshop = Workshop::swept(
        "base = \"tiny.toml\"\nseeds = [1]\nset = { \"training.dev_bleu_interval_steps\" = 0, \"training.steps\" = 150, \"training.learning_rate_scale\" = 0.2, \"decoding.beam\" = 1 }\n\
         [[row]]\nlabel = \"base\"\n[[row]]\nlabel = \"characters\"\nset = { \"decoding.tokenize\" = \"char\" }\n",
    );
    let runs = ["results/small/base/seed-1", "results/small/characters/seed-1"];
    let [words, characters] = runs.map(|run| workshop.record(run));
    // What is translated is the same.
    assert_eq!(words["training_identity"], characters["training_identity"]);
    for file in ["weights", "hypotheses/test.txt"] {
        assert_eq!(words["checksums"][file], characters["checksums"][file], "{file}");
    }
    assert!(characters["signature"].as_str().unwrap().contains("|tok:char|"));
    assert_ne!(characters["metrics"]["test/bleu"], words["metrics"]["test/bleu"]);
    for (run, record) in runs.iter().zip([&words, &characters]) {
        workshop.run(&["verify", run]).expect(0);
        let scored = workshop.run(&["score", run, "--json"]).expect(0).json();
        assert_eq!(scored["test"]["bleu"]["score"], record["metrics"]["test/bleu"], "{scored}");
    }
    let both = ["score", runs[0], runs[1]];
    workshop.run(&both).expect(2).says("choose one with --tokenize");
    workshop.run(&[&both[..], &["--tokenize", "intl"]].concat()).expect(0);
    workshop.run(&["compare", runs[0], runs[1]]).expect(2).says("are scored differently");
    workshop.run(&["compare", runs[1], runs[1]]).expect(0);
    let table = workshop.text("results/small/table.md");
    assert!(table.contains("BLEU of different signatures does not compare."), "{table}");
}

#[test]
fn attention_is_measured_with_every_dev_loss_and_changes_no_result() {
    let (workshop, other) = (Workshop::trained(), Workshop::new());
    let plain = workshop.record(RUN);
    let (measured, _) = train(&other, "tiny", &["run.attention_statistics=3"]);
    for key in ["identity", "metrics"] {
        assert_eq!(plain[key], measured[key], "{key}");
    }
    for file in ["weights", "hypotheses/test.txt"] {
        assert_eq!(plain["checksums"][file], measured["checksums"][file], "{file}");
    }
    let curves = other.text(format!("{RUN}/metrics.csv"));
    let (attention, rest): (Vec<&str>, Vec<&str>) =
        curves.lines().partition(|line| line.contains("attention/"));
    assert_eq!(rest, workshop.text(format!("{RUN}/metrics.csv")).lines().collect::<Vec<_>>());
    let places: Vec<&str> = attention.iter().map(|line| line.rsplit_once(',').unwrap().0).collect();
    let expected: Vec<String> = [10, 20, 30, 40]
        .iter()
        .flat_map(|step| {
            ["encoder", "decoder", "cross"].iter().flat_map(move |kind| {
                ["entropy", "above_0.99"].map(|what| format!("{step},attention/{kind}_1_{what}"))
            })
        })
        .collect();
    assert_eq!(places, expected);
}
