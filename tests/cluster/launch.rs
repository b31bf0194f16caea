//! `--launcher slurm` with a simulated cluster. `scripts/test-slurm` does the same with a real one.

use crate::common::runs::{signal, wait};
use crate::common::{Outcome, Workshop};
use crate::simulated::Cluster;

const SWEEP: &str = r#"
base = "quiet.toml"
seeds = [1]
set = { "training.steps" = 30, "training.checkpoint_interval_steps" = 2, "training.dev_bleu_interval_steps" = 0 }

[slurm]
poll_seconds = 0.05

[[row]]
label = "base"
"#;
const RUN: &str = "results/small/base/seed-1";

/// A cluster whose sweep takes long enough to be interrupted at work.
fn slow() -> Cluster {
    Cluster::new(&SWEEP.replace("= 30", "= 120"))
}

#[test]
fn a_sweep_is_one_array_and_ends_as_a_local_one() {
    let rows = "\n[[row]]\nlabel = \"wide\"\nset = { \"model.d_ff\" = 24 }\n\n[[row]]\nlabel = \"explodes\"\nset = { \"training.learning_rate_scale\" = 1e30 }\n";
    let sweep =
        format!("{SWEEP}{rows}").replace("[1]", "[1, 2]").replace("0.05", "0.05\nmax_running = 2\ncpus = 1");
    let cluster = Cluster::new(&sweep);
    let outcome = cluster
        .sweep(&[])
        .expect(1)
        .says("as jobs of Slurm, up to 2 at once")
        .says("job 11 of Slurm: 6 trials");
    assert!(outcome.err().contains("explodes seed 1: diverged"), "{}", outcome.err());
    let submitted = cluster.trace("sbatch");
    assert_eq!(submitted.len(), 1);
    assert!(
        submitted[0].contains("--array=0-5%2") && submitted[0].contains("--signal=B:USR2@120"),
        "{submitted:?}"
    );
    assert_eq!(cluster.events("submitted").len(), 6);
    // The log names the job and its machine for people; the results of the run contain neither.
    let text = cluster.workshop.text(format!("{RUN}/log.txt"));
    assert!(text.starts_with("job 11_0 on "), "{text}");
    let failure = cluster.workshop.text("results/small/explodes/seed-1/failure.json");
    assert!(failure.contains("\"kind\": \"diverged\""), "{failure}");
    let again = cluster.sweep(&[]).expect(1).says("nothing else is to be run");
    assert_eq!(cluster.trace("sbatch").len(), 1, "{}", again.err());
    let sound = sweep.split("\n[[row]]\nlabel = \"explodes\"").next().unwrap();
    cluster.workshop.write("small.toml", sound);
    cluster.sweep(&[]).expect(0).says("all 4 trials are finished already");
    cluster.assert_as_local(&["base/seed-1", "base/seed-2", "wide/seed-1", "wide/seed-2"]);
}

#[test]
fn a_job_whose_time_is_over_goes_back_into_the_queue_by_itself() {
    let cluster = slow();
    let driver = cluster.start(&[]);
    cluster.wait_for_step(RUN, 10);
    signal(cluster.keeper("11_0"), libc::SIGUSR2);
    wait("the job starts again", || cluster.trace("start").len() == 2);
    let outcome = Outcome(driver.wait_with_output().unwrap()).expect(0);
    assert_eq!(cluster.trace("requeue"), ["requeue 11_0"]);
    assert_eq!(cluster.trace("sbatch").len(), 1);
    let attempts = cluster.workshop.first_steps(RUN);
    assert!(attempts.len() == 2 && attempts[1] >= 10, "{attempts:?}");
    assert!(cluster.events("retried").is_empty(), "{}", outcome.err());
    cluster.assert_as_local(&["base/seed-1"]);
}

#[test]
fn a_job_that_slurm_ends_saves_its_state_and_is_submitted_again() {
    let cluster = Cluster::new(&format!("{}\n[retry]\nattempts = 1\n", SWEEP.replace("= 30", "= 120")));
    let driver = cluster.start(&[]);
    cluster.wait_for_step(RUN, 10);
    cluster.write("11_0/verdict", "TIMEOUT");
    // Slurm sends it to the keeper and to the trial.
    let (keeper, trainer) = (cluster.keeper("11_0"), cluster.trainer(RUN));
    [keeper, trainer].into_iter().for_each(|process| signal(process, libc::SIGTERM));
    let outcome = Outcome(driver.wait_with_output().unwrap()).expect(0);
    assert!(outcome.err().contains("came to its time limit; it goes on"), "{}", outcome.err());
    assert_eq!((cluster.trace("sbatch").len(), cluster.workshop.first_steps(RUN).len()), (2, 2));
    assert!(cluster.trace("requeue").is_empty());
    cluster.assert_as_local(&["base/seed-1"]);
}

#[test]
fn a_signal_of_a_person_to_a_job_saves_its_state() {
    if !crate::common::long() {
        return;
    }
    let cluster = slow();
    let driver = cluster.start(&[]);
    cluster.wait_for_step(RUN, 10);
    // `scancel --signal=INT --batch` sends the signal to the keeper alone.
    signal(cluster.keeper("11_0"), libc::SIGINT);
    Outcome(driver.wait_with_output().unwrap()).expect(0).says("had to stop; it goes on");
    let attempts = cluster.workshop.first_steps(RUN);
    assert!(attempts.len() == 2 && attempts[1] >= 10, "{attempts:?}");
}

#[test]
fn a_place_of_any_name_is_given_to_slurm_as_it_is_or_refused() {
    let cluster = Cluster::new(&SWEEP.replace("= 30", "= 4"));
    cluster.sweep(&["--results", "50%jobs, it's $HOME"]).expect(0);
    let folder = cluster.workshop.path("50%jobs, it's $HOME/small");
    assert!(folder.join("base/seed-1/record.json").exists());
    let log = folder.join(".slurm/1.log");
    assert!(log.exists(), "{:?}", cluster.trace("sbatch"));
    assert!(cluster.trace("sbatch")[0].contains("/50%%jobs, it's $HOME/small/.slurm/1.log"));
    for (place, why) in [("a\ntouch ran\n", "a control character"), ("a\\b", "a backslash")] {
        cluster.sweep(&["--results", place]).expect(2).says("cannot be given to Slurm").says(why);
        assert!(!cluster.workshop.path(place).exists());
    }
    cluster.sweep(&["--data", "a\nb"]).expect(2).says("choose another place with --results or --data");
    assert!(!cluster.workshop.path("ran").exists() && !cluster.workshop.path("a\nb").exists());
}

#[test]
fn a_job_that_vanishes_is_lost_and_tried_again_by_the_same_policy() {
    if !crate::common::long() {
        return;
    }
    let cluster = slow();
    let driver = cluster.start(&[]);
    cluster.wait_for_step(RUN, 10);
    let (keeper, trainer) = (cluster.keeper("11_0"), cluster.trainer(RUN));
    std::fs::rename(cluster.path("11_0"), cluster.path("gone")).unwrap();
    [keeper, trainer].into_iter().for_each(|process| signal(process, libc::SIGKILL));
    let outcome = Outcome(driver.wait_with_output().unwrap()).expect(0);
    assert!(outcome.err().contains("left the queue without a trace"), "{}", outcome.err());
    assert_eq!(cluster.events("retried").len(), 1);
    assert!(cluster.workshop.first_steps(RUN)[1] >= 10);
    cluster.assert_as_local(&["base/seed-1"]);
}

#[test]
fn a_trial_that_is_killed_within_its_job_is_classified_as_a_local_one() {
    if !crate::common::long() {
        return;
    }
    let cluster = slow();
    let driver = cluster.start(&[]);
    cluster.wait_for_step(RUN, 10);
    signal(cluster.trainer(RUN), libc::SIGKILL);
    Outcome(driver.wait_with_output().unwrap())
        .expect(0)
        .says("killed by signal 9, perhaps for lack of memory");
    assert_eq!(cluster.trace("sbatch").len(), 2);
    cluster.assert_as_local(&["base/seed-1"]);
}

#[test]
fn a_driver_that_is_killed_finds_its_jobs_again() {
    let cluster = slow();
    let mut driver = cluster.start(&[]);
    cluster.wait_for_step(RUN, 10);
    driver.kill().unwrap();
    driver.wait().unwrap();
    cluster.sweep(&[]).expect(0).says("finished in");
    assert_eq!((cluster.trace("sbatch").len(), cluster.trace("start").len()), (1, 1));
    assert_eq!(cluster.workshop.first_steps(RUN), [0]);
    cluster.assert_as_local(&["base/seed-1"]);
}

#[test]
fn a_signal_ends_the_driver_alone_and_detach_never_waits() {
    let cluster = slow();
    let driver = cluster.start(&[]);
    cluster.wait_for_step(RUN, 4);
    signal(driver.id() as i32, libc::SIGTERM);
    let left = Outcome(driver.wait_with_output().unwrap()).expect(75);
    assert!(
        left.err().contains("1 trial goes on in Slurm") && left.err().contains("scancel 11"),
        "{}",
        left.err()
    );
    cluster
        .sweep(&["--detach"])
        .expect(0)
        .says("1 trial goes on in Slurm")
        .says("the same command looks after them");
    cluster.sweep(&[]).expect(0);
    assert_eq!((cluster.trace("sbatch").len(), cluster.workshop.first_steps(RUN).len()), (1, 1));
    cluster.workshop.run(&["sweep", "small.toml", "--detach"]).expect(2).says("--launcher slurm");
}

#[test]
fn a_signal_is_answered_while_squeue_does_not_answer() {
    let cluster = Cluster::new(&SWEEP.replace("= 30", "= 4"));
    cluster.write("hold", "");
    let stopped = |driver: std::process::Child, calls: usize| {
        wait("squeue hangs", || cluster.trace("hang").len() == calls);
        signal(driver.id() as i32, libc::SIGTERM);
        Outcome(driver.wait_with_output().unwrap()).expect(75)
    };
    let driver = cluster.start(&[]);
    wait("the job runs", || !cluster.trace("start").is_empty());
    cluster.write("hang", "");
    stopped(driver, 1).says("1 trial goes on in Slurm");
    // The next driver looks for the job at first.
    stopped(cluster.start(&[]), 2).says("stopped by a signal while squeue was to answer");
    ["hang", "hold"].iter().for_each(|file| std::fs::remove_file(cluster.path(file)).unwrap());
    cluster.sweep(&[]).expect(0);
    assert_eq!((cluster.trace("sbatch").len(), cluster.workshop.first_steps(RUN).len()), (1, 1));
}

#[test]
fn status_tells_which_job_a_trial_has() {
    // The first trial is held while the second one waits.
    let sweep =
        SWEEP.replace("[1]", "[1, 2]").replace("0.05", "0.05\nmax_running = 1").replace("= 30", "= 4");
    let cluster = Cluster::new(&sweep);
    cluster.write("hold", "");
    let status = |words: &[&str]| {
        let words: Vec<&str> = ["status", "small.toml"].iter().chain(words).copied().collect();
        Outcome(cluster.command(&words).output().unwrap()).expect(0).out()
    };
    let job = |seed: usize| {
        let status: serde_json::Value = serde_json::from_str(&status(&["--json"])).unwrap();
        status["trials"][seed - 1]["job"].clone()
    };
    assert!(job(2).is_null(), "a sweep that has never been there");
    cluster.sweep(&["--detach"]).expect(0);
    wait("the first one runs", || !cluster.trace("start").is_empty());
    assert_eq!((&job(2)["job"], &job(2)["state"]), (&"11_1".into(), &"PENDING".into()));
    let text = status(&[]);
    assert!(text.contains("queued") && text.contains("job 11_1 is pending"), "{text}");
    cluster.write("silent", "");
    let text = status(&[]);
    assert!(
        text.contains("Slurm's queue cannot be asked") && text.contains("last seen in Slurm's queue"),
        "{text}"
    );
    ["silent", "hold"].iter().for_each(|file| std::fs::remove_file(cluster.path(file)).unwrap());
    cluster.sweep(&[]).expect(0);
    assert!(job(2).is_null());
}

#[test]
fn clean_removes_the_files_of_arrays_that_are_over_but_for_the_last() {
    let cluster = Cluster::new(SWEEP);
    cluster.sweep(&[]).expect(0);
    cluster.workshop.write("small.toml", &SWEEP.replace("= 30", "= 32"));
    cluster.sweep(&[]).expect(0);
    let clean = cluster.workshop.run(&["clean", "small.toml", "--yes"]).expect(0);
    assert!(clean.out().contains("job arrays that are over"), "{}", clean.out());
    let left = |number: u32| cluster.workshop.path(format!("results/small/.slurm/{number}.json")).exists();
    assert_eq!((left(1), left(2)), (false, true));
    cluster.workshop.write("small.toml", &SWEEP.replace("= 30", "= 34"));
    cluster.sweep(&[]).expect(0);
    assert!(left(3));
    cluster.workshop.run(&["sweep", "small.toml"]).expect(0).says("finished already");
}

#[test]
fn a_trial_that_fails_while_nobody_watches_is_told_by_the_next_driver() {
    let cluster = Cluster::new(
        &(SWEEP.replace("\n[[row]]", "\n[retry]\nattempts = 1\n\n[[row]]")
            + "set = { \"training.learning_rate_scale\" = 1e30 }\n"),
    );
    cluster.sweep(&["--detach"]).expect(0);
    wait("the job ends", || !cluster.trace("end").is_empty());
    cluster.sweep(&[]).expect(1).says("base seed 1: diverged");
    // A failure that was reported is not reported again.
    cluster.sweep(&["--only", "failed"]).expect(1);
    assert_eq!(cluster.trace("sbatch").len(), 2);
}

#[test]
fn an_answer_of_sbatch_that_is_lost_submits_nothing_twice() {
    let cluster = Cluster::new(SWEEP);
    cluster.write("lose-answer", "");
    cluster.sweep(&[]).expect(0);
    assert_eq!((cluster.trace("sbatch").len(), cluster.trace("start").len()), (1, 1));
}

#[test]
fn a_controller_that_does_not_answer_is_waited_for() {
    let cluster = slow();
    let driver = cluster.start(&[]);
    cluster.wait_for_step(RUN, 10);
    cluster.write("silent", "");
    wait("the job ends", || !cluster.trace("end").is_empty());
    std::fs::remove_file(cluster.path("silent")).unwrap();
    Outcome(driver.wait_with_output().unwrap()).expect(0).says("Unable to contact slurm controller");
    assert_eq!(cluster.trace("sbatch").len(), 1);
}

#[test]
fn a_cancelled_job_is_let_be_until_the_next_command() {
    let cluster = slow();
    let driver = cluster.start(&[]);
    cluster.wait_for_step(RUN, 10);
    let mut scancel = cluster.beside(std::process::Command::new(cluster.path("bin/scancel")));
    scancel.arg("11_0").output().unwrap();
    Outcome(driver.wait_with_output().unwrap()).expect(75).says("job 11_0 was cancelled");
    cluster.sweep(&[]).expect(0);
    assert!(cluster.workshop.first_steps(RUN)[1] >= 10);
    cluster.assert_as_local(&["base/seed-1"]);
}

#[test]
fn budgets_and_fail_fast_end_one_call_in_order() {
    let explodes = "\n[[row]]\nlabel = \"explodes\"\nset = { \"training.learning_rate_scale\" = 1e30 }\n";
    let sweep = SWEEP.replace("= 30", "= 400") + explodes;
    let cluster = Cluster::new(&sweep);
    cluster.sweep(&["--fail-fast"]).expect(75).says("--fail-fast after explodes seed 1 failed");
    assert_eq!(cluster.trace("cancel"), ["cancel 11_0"]);
    cluster.sweep(&["--max-hours", "1e-9"]).expect(75).says("stopped by max_hours");
    assert!(cluster.trace("requeue").is_empty());
    cluster
        .workshop
        .write("small.toml", &SWEEP.replace("[1]", "[1, 2, 3]").replace("0.05", "0.05\nmax_running = 1"));
    cluster
        .sweep(&["--max-trials", "1"])
        .expect(75)
        .says("max_trials is reached and 2 trials are not started");
    cluster.sweep(&["--workers", "3"]).expect(0);
    assert!(cluster.trace("sbatch").last().unwrap().contains("--array=0-1%3"));
    cluster.assert_as_local(&["base/seed-1", "base/seed-2", "base/seed-3"]);
}

#[test]
fn a_search_submits_a_draw_when_it_can_learn_from_those_before() {
    let search = "\n[search]\nseed = 1\ncount = 11\nobjective = \"dev/loss\"\n\"model.dropout\" = { uniform = [0.0, 0.3] }\n";
    let sweep = SWEEP.replace("\n[[row]]\nlabel = \"base\"\n", search);
    let cluster =
        Cluster::new(&sweep.replace("= 30", "= 4").replace("0.05", "0.05\nmax_running = 1\ncpus = 1"));
    cluster.sweep(&[]).expect(0);
    let arrays = cluster.trace("sbatch");
    assert_eq!(arrays.len(), 2, "{arrays:?}");
    for (array, elements) in arrays.iter().zip(["--array=0-9%1", "--array=0-0%1"]) {
        assert!(array.contains(elements), "{arrays:?}");
    }
    assert_eq!(cluster.events("drawn").len(), 11);
    cluster.assert_as_local(&["draw-001/seed-1", "draw-011/seed-1"]);
}

#[test]
fn halving_pauses_and_goes_on_through_slurm_as_it_does_locally() {
    let slow = "\n[[row]]\nlabel = \"slow\"\nset = { \"training.learning_rate_scale\" = 0.01 }\n";
    let cluster = Cluster::new(&format!("{SWEEP}{slow}\n[halving]\nfirst = 10\nfactor = 2\n"));
    cluster.sweep(&[]).expect(0).says("paused at step 10").says("halving let 1 trial go no further");
    assert_eq!(cluster.events("finished").len(), 1);
    // Both trials run to their comparisons at update 10, and the better one to those at 20 and to the end.
    let starts = cluster.trace("start").len();
    assert_eq!(starts, 4, "{:?}", cluster.trace("start"));
    assert!(cluster.events("requeued").is_empty(), "a pause is no time that was over");
    cluster.sweep(&[]).expect(0).says("halving let 1 trial go no further");
    assert_eq!(cluster.trace("start").len(), starts);
    cluster.assert_as_local(&["base/seed-1"]);
}

#[test]
fn more_trials_than_an_array_may_have_are_several() {
    let cluster = Cluster::new(&SWEEP.replace("[1]", "[1, 2, 3]").replace("= 30", "= 8"));
    cluster.write("largest", "2");
    cluster.sweep(&[]).expect(0);
    let arrays = cluster.trace("sbatch");
    assert!(
        arrays.len() == 2 && arrays[0].contains("--array=0-1 ") && arrays[1].contains("--array=0-0 "),
        "{arrays:?}"
    );
}

#[test]
fn mistakes_are_told_before_anything_is_written() {
    let cluster = Cluster::new(&SWEEP.replace("poll_seconds = 0.05", "cpu = 4"));
    cluster.sweep(&[]).expect(2).says("small.toml:7: unknown key slurm.cpu").says("did you mean \"cpus\"?");
    cluster
        .workshop
        .write("small.toml", &SWEEP.replace("poll_seconds = 0.05", "options = [\"--array=0-9\"]"));
    cluster.sweep(&[]).expect(2).says("--array, which ablate sets itself");
    let workshop = Workshop::new();
    workshop.write("small.toml", SWEEP);
    let mut command = workshop.command(&["sweep", "small.toml", "--launcher", "slurm"]);
    Outcome(command.env("PATH", "").output().unwrap()).expect(2).says("squeue is not on the PATH");
    assert!(!workshop.path("results").exists() && !cluster.workshop.path("results").exists());
    cluster.workshop.write("small.toml", SWEEP);
    cluster.write("refuse", "sbatch: error: invalid partition specified: nowhere\n");
    cluster.sweep(&[]).expect(2).says("invalid partition specified: nowhere").says("look at [slurm]");
    std::fs::remove_file(cluster.path("refuse")).unwrap();
    cluster.sweep(&[]).expect(0);
}

#[test]
fn a_job_that_nobody_waits_for_any_more_does_nothing() {
    let cluster = Cluster::new(SWEEP);
    cluster.sweep(&[]).expect(0);
    std::fs::remove_file(cluster.workshop.path(format!("{RUN}/record.json"))).unwrap();
    let mut late = cluster.command(&["keep", "results/small/.slurm/1.json"]);
    late.env("SLURM_ARRAY_JOB_ID", "11").env("SLURM_ARRAY_TASK_ID", "0");
    Outcome(late.output().unwrap()).expect(0).says("no sweep waits for this job any more");
    assert_eq!(cluster.workshop.first_steps(RUN), [0]);
    cluster
        .workshop
        .run(&["keep", "results/small/.slurm/1.json"])
        .expect(2)
        .says("SLURM_ARRAY_JOB_ID is not set");
}
