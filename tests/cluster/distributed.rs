//! Training of one trial by several processes: the numbers of one process, and one end for all of them.

use crate::common::runs::{RUN, assert_same_run, last_step, signal, wait_beside};
use crate::common::{Outcome, Workshop, long};
use ablate::telemetry::metrics_log::{self, Row};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time by which all ranks must have ended, whatever happened to one of them. Generous: the machine may be busy.
const LONGEST: Duration = Duration::from_secs(60);

/// Relative gap of losses and perplexities between one process and several over 40 updates, of which only the order of
/// sums differs; ten times as much for norms of gradients. Measured: 3e-7 (norms 1e-5) and 3e-15 (7e-14).
const TOLERANCE_FLOAT32: f64 = 1e-5;
const TOLERANCE_FLOAT64: f64 = 1e-12;

/// Processes that train together, in the order of their ranks; those still running are killed when this is dropped.
struct Ranks(Vec<Child>);

impl Ranks {
    /// Starts `size` ranks with the same settings.
    fn start(workshop: &Workshop, size: usize, sets: &[&str]) -> Ranks {
        Ranks::start_each(workshop, &vec![sets; size])
    }

    /// Starts a rank for each of these settings.
    fn start_each(workshop: &Workshop, sets: &[&[&str]]) -> Ranks {
        let port = free_port().to_string();
        let start = |(rank, own): (usize, &&[&str])| {
            let mut command = train(workshop, own);
            command.env("RANK", rank.to_string()).env("WORLD_SIZE", sets.len().to_string());
            command.env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", &port);
            command.spawn().unwrap()
        };
        Ranks(sets.iter().enumerate().map(start).collect())
    }

    /// Waits until rank 0 has reported this step.
    fn reach(&mut self, workshop: &Workshop, step: u64) {
        let run = workshop.path(RUN);
        let what = format!("rank 0 reaches step {step}");
        let is_reached = wait_beside(&mut self.0[0], &what, || last_step(&run) >= Some(step));
        assert!(is_reached, "rank 0 ended before step {step}");
    }

    fn signal(&self, rank: usize, with: i32) {
        signal(self.0[rank].id() as i32, with);
    }

    /// Waits until all have ended by themselves, and returns their outcomes.
    fn wait(mut self) -> Vec<Outcome> {
        let begun = Instant::now();
        for (rank, process) in self.0.iter_mut().enumerate() {
            while process.try_wait().unwrap().is_none() {
                assert!(begun.elapsed() < LONGEST, "rank {rank} does not end");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        self.0.drain(..).map(|process| Outcome(process.wait_with_output().unwrap())).collect()
    }

    /// Waits and expects one exit code of all.
    #[track_caller]
    fn expect(self, code: i32) -> Vec<Outcome> {
        self.wait().into_iter().map(|outcome| outcome.expect(code)).collect()
    }
}

impl Drop for Ranks {
    fn drop(&mut self) {
        for process in &mut self.0 {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// `ablate train` of the workshop's experiment, not started yet. It shows nothing of the run.
fn train(workshop: &Workshop, sets: &[&str]) -> Command {
    let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let mut command = workshop.command(&[&["train", "quiet.toml", "--name", "tiny"], &sets[..]].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn metrics(workshop: &Workshop) -> Vec<Row> {
    metrics_log::read(&workshop.path(RUN).join("metrics.csv")).unwrap()
}

#[track_caller]
fn assert_same_curves(one: &Workshop, several: &Workshop, steps: usize, tolerance: f64) {
    let (one, several) = (metrics(one), metrics(several));
    let place = |row: &Row| (row.step, row.tag.clone());
    assert!(one.iter().map(place).eq(several.iter().map(place)));
    let losses =
        ["loss", "perplexity", "masked_perplexity", "grad_norm", "lr"].map(|name| format!("train/{name}"));
    let losses = [&losses[..], &["dev/loss".to_string()]].concat();
    let pairs = one.iter().zip(&several).filter(|(row, _)| losses.contains(&row.tag));
    let mut compared = 0;
    for (a, b) in pairs {
        let gap = ((a.value - b.value) / a.value).abs();
        let tolerance = if a.tag.ends_with("norm") { 10.0 * tolerance } else { tolerance };
        assert!(gap < tolerance, "{} at {}: {} and {}, {gap:e} apart", a.tag, a.step, a.value, b.value);
        compared += 1;
    }
    // A perplexity among them, but of word vectors.
    assert!(compared >= steps * 3, "{compared}");
}

#[track_caller]
fn assert_same_bytes(whole: &Workshop, resumed: &Workshop) {
    let state = "checkpoints/step-00000040.state.safetensors";
    assert_same_run(&whole.path(RUN), &resumed.path(RUN), &[state], "going on");
}

/// Settings of a training that is shorter than others and scored only at its end.
const SHORT: [&str; 2] = ["training.steps=20", "training.dev_bleu_interval_steps=0"];

/// Settings of a training in which rank 0 writes everything that runs show, while the others wait.
const SHOWN: [&str; 4] = [
    "run.sample_sentences=4",
    "run.attention_sentences=1",
    "run.histogram_interval_steps=10",
    "run.projector_tokens=100",
];

/// Updates of one to five micro-batches, so that ranks have unequal numbers of them, and at times none.
#[test]
fn several_ranks_have_the_loss_curve_of_one_process() {
    let (float64, small) = ("training.precision=float64", "training.micro_batch_tokens=110");
    // With a mask of dropout for each sentence, which must not depend on the rank.
    let recurrent = vec![
        float64,
        small,
        "model.encoder=recurrent",
        "model.decoder=recurrent",
        "model.recurrent.hidden=12",
        "model.recurrent.dropout_masks=per_sequence",
    ];
    let convolutional = vec![
        float64,
        small,
        "model.encoder=convolutional",
        "model.decoder=convolutional",
        "model.convolutional.channels=12",
        "model.convolutional.encoder_layers=2",
        "model.convolutional.decoder_layers=2",
    ];
    let mut cases = vec![
        (2, vec!["training.precision=float32", small], TOLERANCE_FLOAT32),
        (2, vec![float64, small], TOLERANCE_FLOAT64),
        // The dev loss is by running statistics, to which all ranks contribute.
        (2, vec![float64, small, "model.norm_kind=batch"], TOLERANCE_FLOAT64),
        (3, recurrent, TOLERANCE_FLOAT64),
    ];
    if long() {
        let more = [(3, vec![float64]), (2, convolutional)];
        cases.extend(more.map(|(size, sets)| (size, sets, TOLERANCE_FLOAT64)));
    }
    for (number, (size, mut sets, tolerance)) in cases.into_iter().enumerate() {
        let steps = if number == 0 { 40 } else { 20 };
        match number {
            0 => sets.extend(SHOWN),
            _ => sets.extend(SHORT),
        }
        let (one, several) = (Workshop::new(), Workshop::new());
        let alone = train(&one, &sets).spawn().unwrap();
        let outcomes = Ranks::start(&several, size, &sets).expect(0);
        Outcome(alone.wait_with_output().unwrap()).expect(0);
        assert_same_curves(&one, &several, steps, tolerance);
        assert!(outcomes[0].out().contains("BLEU") && outcomes[1].out().is_empty());
        // The number of processes is not part of the trial's identity, only of its speed.
        let identity = |workshop: &Workshop| workshop.record(RUN)["identity"].take();
        assert!(identity(&one).is_string() && identity(&one) == identity(&several));
        assert_eq!(several.attempts(RUN)[0]["effort"]["processes"], size);
        // No process trains anything twice.
        if number == 0 {
            for outcome in Ranks::start(&several, size, &sets).expect(0) {
                let told = outcome.err();
                let words = ["finished already", "nothing is left to train"];
                assert!(words.iter().any(|words| told.contains(words)), "{told}");
            }
        }
    }
}

/// Updates of four micro-batches of blocks, of which each rank does two.
#[test]
fn several_ranks_train_other_models_as_one_process_does() {
    let sets = ["training.precision=float64", "training.steps=20"];
    let mut cases = vec![(Workshop::of_second_texts as fn() -> Workshop, "of hidden tokens")];
    if long() {
        cases.push((Workshop::of_language_model_without_bos, "bits per character"));
        cases.push((Workshop::of_word_vectors, "of predictions"));
        cases.push((|| Workshop::of_language_model().with_parts("none", "recurrent"), "bits per character"));
        cases.push((
            || Workshop::of_language_model().with_parts("none", "convolutional"),
            "bits per character",
        ));
        cases.push((Workshop::of_parser, "F1"));
        cases.push((|| Workshop::new().with_parts("none", "self_attention"), "BLEU"));
        cases.push((|| Workshop::new().with_parts("convolutional", "self_attention"), "BLEU"));
        cases.push((|| Workshop::new().with_parts("self_attention", "recurrent"), "BLEU"));
    }
    for (make, said) in cases {
        let (one, several) = (make(), make());
        let alone = train(&one, &sets).spawn().unwrap();
        let outcomes = Ranks::start(&several, 2, &sets).expect(0);
        Outcome(alone.wait_with_output().unwrap()).expect(0);
        assert_same_curves(&one, &several, 20, TOLERANCE_FLOAT64);
        assert!(outcomes[0].out().contains(said) && outcomes[1].out().is_empty());
    }
}

#[test]
fn a_killed_rank_ends_all_and_all_go_on_from_the_last_checkpoint() {
    let (whole, resumed) = (Workshop::new(), Workshop::new());
    let uninterrupted = Ranks::start(&whole, 2, &[]);
    for (victim, step) in [(1, 9), (0, 23)] {
        let mut ranks = Ranks::start(&resumed, 2, &[]);
        ranks.reach(&resumed, step);
        ranks.signal(victim, libc::SIGKILL);
        let outcomes = ranks.wait();
        let left = &outcomes[1 - victim];
        assert_eq!(left.code(), Some(1), "{}", left.err());
        let told = format!("rank {} of 2 has lost rank {victim} (", 1 - victim);
        assert!(left.err().contains(&told), "{}", left.err());
        assert!(left.err().contains("they go on from the training state of step"), "{}", left.err());
        let files = std::fs::read_dir(resumed.path(RUN).join("checkpoints")).unwrap();
        let torn = files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|e| e == "tmp"));
        // Files that rank 0 was writing when it was killed have temporary names, which nothing reads.
        assert!(victim == 0 || torn.count() == 0);
    }
    let outcomes = Ranks::start(&resumed, 2, &[]).expect(0);
    assert!(outcomes[0].err().contains("going on from step"), "{}", outcomes[0].err());
    uninterrupted.expect(0);
    assert_same_bytes(&whole, &resumed);
}

#[test]
fn a_signal_to_any_rank_stops_all_at_one_update() {
    let (whole, resumed) = (Workshop::new(), Workshop::new());
    let uninterrupted = Ranks::start(&whole, 2, &[]);
    let mut ranks = Ranks::start(&resumed, 2, &[]);
    ranks.reach(&resumed, 10);
    ranks.signal(1, libc::SIGTERM);
    let ends = ranks.expect(75);
    let step = |outcome: &Outcome| {
        let text = outcome.err();
        text.split("stopped by a signal at step ").nth(1).unwrap().split(';').next().unwrap().to_string()
    };
    assert_eq!(step(&ends[0]), step(&ends[1]));
    Ranks::start(&resumed, 2, &[]).expect(0);
    uninterrupted.expect(0);
    assert_same_bytes(&whole, &resumed);
}

#[test]
fn a_rank_that_says_nothing_is_given_up() {
    let workshop = Workshop::new();
    workshop.run(&["prepare", "tiny.toml"]).expect(0);
    let port = free_port().to_string();
    let start = |rank: &str| {
        let mut command = train(&workshop, &["training.steps=100000"]);
        command.envs([("RANK", rank), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1")]);
        command.env("MASTER_PORT", &port).env("ABLATE_PEER_TIMEOUT", "3");
        command.spawn().unwrap()
    };
    let mut ranks = Ranks(vec![start("0"), start("1")]);
    ranks.reach(&workshop, 3);
    ranks.signal(1, libc::SIGSTOP);
    let begun = Instant::now();
    while ranks.0[0].try_wait().unwrap().is_none() {
        assert!(begun.elapsed() < LONGEST, "rank 0 does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    ranks.signal(1, libc::SIGKILL);
    ranks.wait().remove(0).expect(1).says("rank 0 of 2 has lost rank 1 (");
}

/// Another program at the address, or a rank that hangs before it answers.
#[test]
fn a_meeting_place_that_says_nothing_is_given_up() {
    let workshop = Workshop::new();
    workshop.run(&["prepare", "tiny.toml"]).expect(0);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = train(&workshop, &[]);
    command.envs([("RANK", "1"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1")]);
    command
        .env("MASTER_PORT", silent.local_addr().unwrap().port().to_string())
        .env("ABLATE_PEER_TIMEOUT", "1");
    let begun = Instant::now();
    let ranks = Ranks(vec![command.spawn().unwrap()]);
    ranks
        .expect(1)
        .remove(0)
        .says("rank 1 of 2 could not meet the others at 127.0.0.1:")
        .says("no rank answered in 1 s");
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[test]
fn ranks_that_differ_or_diverge_end_alike() {
    let workshop = Workshop::new();
    for outcome in Ranks::start_each(&workshop, &[&[], &["model.d_ff=8"]]).expect(2) {
        outcome.says("the ranks differ in their configuration");
    }
    // The failed start has not claimed the directory for its settings.
    for outcome in Ranks::start(&workshop, 2, &["training.learning_rate_scale=1e30"]).expect(3) {
        outcome.says("training diverged at step");
    }
    // The other ranks are told what only rank 0 finds out.
    let told = ["holds a run with other settings or data", "rank 1 of 2 ends because rank 0 did"];
    for (outcome, told) in Ranks::start(&workshop, 2, &[]).expect(2).into_iter().zip(told) {
        outcome.says(told);
    }
}

#[test]
fn a_slurm_step_of_two_tasks_trains_together() {
    let workshop = Workshop::new();
    // The port follows from the job's number; tests on one machine must not meet.
    let job = std::process::id().to_string();
    let start = |task: &str| {
        let mut command = train(&workshop, &["training.steps=3"]);
        command.envs([("SLURM_STEP_NUM_TASKS", "2"), ("SLURM_PROCID", task), ("SLURM_LOCALID", task)]);
        command.env("SLURM_JOB_NODELIST", "localhost").env("SLURM_JOB_ID", &job);
        command.spawn().unwrap()
    };
    Ranks(vec![start("0"), start("1")]).expect(0).remove(1).says("rank 1 of 2: done at step 3");
}

#[test]
fn variables_that_make_no_sense_are_named_and_only_training_heeds_them() {
    let workshop = Workshop::new();
    let half = |words: &[&str]| {
        let mut command = workshop.command(words);
        command.env("RANK", "1").env("WORLD_SIZE", "2");
        Outcome(command.output().unwrap())
    };
    half(&["train", "tiny.toml"]).expect(2).says("RANK is set but MASTER_ADDR is not");
    let mut command = train(&workshop, &[]);
    command.envs([("RANK", "2"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "a"), ("MASTER_PORT", "1")]);
    Outcome(command.output().unwrap()).expect(2).says("RANK = 2, but WORLD_SIZE = 2");
    workshop.run(&["train", "tiny.toml", "--set", "training.steps=2"]).expect(0);
    half(&["trial", RUN]).expect(0);
    half(&["probe", "--help"]).expect(0);
}
