//! A trial that is killed and started again ends with the bytes of one that never stopped.

use crate::common::runs::{RUN, RUN_FILES, SHOWN_FILES, assert_same_files};
use crate::common::{Workshop, long};

#[track_caller]
fn assert_same_results(whole: &Workshop, resumed: &Workshop) {
    let runs = [whole, resumed].map(|workshop| workshop.path(RUN));
    // A language model has no hypotheses.
    let is_language_model = whole.path("text.toml").exists();
    let may_be_absent = |file: &str| is_language_model || file == "positions.json";
    let (there, absent): (Vec<&str>, Vec<&str>) = RUN_FILES
        .into_iter()
        .chain(SHOWN_FILES)
        .partition(|file| runs[0].join(file).exists() || !may_be_absent(file));
    assert_same_files(&runs[0], &runs[1], there, "resuming");
    for file in absent {
        assert!(!runs[1].join(file).exists(), "{file}");
    }
}

#[test]
fn killed_anywhere_a_trial_ends_with_the_same_bytes() {
    let whole = Workshop::trained();
    let resumed = killed_often(&[2, 9, 15, 22, 23, 30], Workshop::new);
    resumed.run(&["train", "tiny.toml"]).expect(0).says("going on from step");
    assert_same_results(&whole, &resumed);
}

#[test]
fn models_of_other_parts_end_with_the_same_bytes_as_well() {
    // Without an encoder a model reads source and target as one text.
    let mut parts = vec![("none", "self_attention"), ("recurrent", "self_attention")];
    if long() {
        let kinds = ["self_attention", "recurrent", "convolutional"];
        parts = kinds.iter().flat_map(|&encoder| kinds.map(|decoder| (encoder, decoder))).collect();
        parts.extend(kinds.map(|decoder| ("none", decoder)));
    }
    for (encoder, decoder) in parts {
        let make = || Workshop::new().with_parts(encoder, decoder);
        let whole = make();
        whole.run(&["train", "tiny.toml"]).expect(0);
        let resumed = killed_often(&[22], make);
        resumed.run(&["train", "tiny.toml"]).expect(0).says("going on from step");
        assert_same_results(&whole, &resumed);
        let has_positions = [encoder, decoder].iter().any(|part| !["none", "recurrent"].contains(part));
        assert_eq!(whole.path(RUN).join("positions.json").exists(), has_positions, "{encoder}, {decoder}");
    }
}

/// Running statistics are part of a training's state like weights, and the random blocks of attention follow from the
/// seed.
#[test]
fn batch_normalisation_and_random_blocks_end_with_the_same_bytes_as_well() {
    let settings = "norm_kind = \"batch\"\nattention.score = \"additive\"\n\
                    attention.span = { big_bird = { block = 1, random = 1, global = 1 } }\n\
                    attention.decoder_span = { local = 3 }";
    let workshop = || {
        let workshop = Workshop::new();
        let experiment = workshop.text("tiny.toml").replace("[model]", &format!("[model]\n{settings}"));
        workshop.write("tiny.toml", &experiment);
        workshop
    };
    let whole = workshop();
    whole.run(&["train", "tiny.toml"]).expect(0);
    let resumed = killed_often(&[22], workshop);
    resumed.run(&["train", "tiny.toml"]).expect(0).says("going on from step");
    let config = whole.text(format!("{RUN}/config.toml"));
    assert!(["\"batch\"", "\"additive\"", "big_bird"].iter().all(|value| config.contains(value)));
    assert_same_results(&whole, &resumed);
}

/// The hidden tokens of a masked language model in an epoch, its second texts, and the contexts and noise words of word
/// vectors follow from the epoch's number.
#[test]
fn language_models_end_with_the_same_bytes_as_well() {
    let mut models: Vec<fn() -> Workshop> =
        vec![Workshop::of_language_model_without_bos, Workshop::of_second_texts, Workshop::of_word_vectors];
    if long() {
        models.push(|| Workshop::of_language_model().with_parts("none", "recurrent"));
        models.push(|| Workshop::of_language_model().with_parts("none", "convolutional"));
        models.push(|| Workshop::of_masked_language_model().with_parts("recurrent", "none"));
    }
    for make in models {
        let whole = make();
        whole.run(&["train", "tiny.toml"]).expect(0);
        let resumed = killed_often(&[22], make);
        resumed.run(&["train", "tiny.toml"]).expect(0).says("going on from step");
        assert_same_results(&whole, &resumed);
    }
}

#[test]
fn a_parser_ends_with_the_same_bytes_as_well() {
    let whole = Workshop::of_parser();
    whole.run(&["train", "tiny.toml"]).expect(0);
    let resumed = killed_often(&[33], Workshop::of_parser);
    resumed.run(&["train", "tiny.toml"]).expect(0).says("going on from step");
    assert_same_results(&whole, &resumed);
}

/// Returns a run that was killed at each of these updates. On a busy machine it may end before; then it runs once more.
fn killed_often(steps: &[u64], make: impl Fn() -> Workshop) -> Workshop {
    for _ in 0..5 {
        let workshop = make();
        if steps.iter().all(|&step| workshop.train_until(step, libc::SIGKILL).is_none()) {
            assert!(!workshop.path(RUN).join("record.json").exists());
            return workshop;
        }
    }
    panic!("in five runs a kill came too late");
}

/// The sizes are such that sums are split among threads.
#[test]
fn with_two_threads_a_trial_gives_the_same_bytes_again() {
    let words = ["model.d_model=64", "model.d_ff=512", "training.steps=8", "training.batch_tokens=1200"];
    let words = [&words[..], &["training.micro_batch_tokens=1200", "run.threads=2"]].concat();
    let sets: Vec<&str> = words.iter().flat_map(|word| ["--set", word]).collect();
    let (first, second) = (Workshop::new(), Workshop::new());
    for workshop in [&first, &second] {
        workshop.run(&[&["train", "tiny.toml"], &sets[..]].concat()).expect(0);
    }
    assert!(first.text(format!("{RUN}/record.json")).contains("\"threads\": 2"));
    assert_same_results(&first, &second);
}

#[test]
fn a_signal_saves_a_checkpoint_and_the_run_goes_on_with_the_same_bytes() {
    let (whole, resumed) = (Workshop::trained(), Workshop::new());
    // Between the checkpoints of the schedule (every 7), so that a state is saved that no average may use.
    assert_eq!(resumed.train_until(10, libc::SIGTERM), Some(75));
    assert_eq!(resumed.train_until(19, libc::SIGINT), Some(75));
    let last = resumed.run(&["train", "tiny.toml"]).expect(0);
    assert!(last.err().contains("going on from step"), "{}", last.err());
    assert_same_results(&whole, &resumed);
}

#[test]
fn a_finished_trial_is_not_trained_again() {
    let workshop = Workshop::new();
    let first = workshop.run(&["train", "tiny.toml"]).expect(0);
    let record = workshop.read(format!("{RUN}/record.json"));
    let second = workshop.run(&["train", "tiny.toml"]).expect(0).says("finished already; nothing to do");
    assert_eq!(first.out(), second.out());
    assert_eq!(record, workshop.read(format!("{RUN}/record.json")));
}

#[test]
fn another_experiment_in_the_same_directory_is_refused() {
    let workshop = Workshop::trained();
    workshop
        .run(&["train", "tiny.toml", "--set", "model.d_ff=8"])
        .expect(2)
        .says("holds a run with other settings or data: model.d_ff changed from ")
        .says(" to 8; remove it");
}
