//! Judges the state of a job from squeue's report and the ending that it left in its trial's directory.

use super::client::Job;
use super::keeper::Left;
use crate::error::Result;
use crate::results::record::FailureKind;
use crate::sweep::launch::launcher::Ending;

/// Number of times in a row that a job must be over without a known ending before it counts as lost: squeue and the
/// file system of a node may differ for a moment.
const PATIENCE: u32 = 2;

/// The judgement on a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Queued,
    Running,
    /// The job seems to be over, but its ending is unknown: look again.
    Unclear,
    Over(Ending),
}

/// Judges a job that was unclear `misses` times before. `got_further` tells whether the trial has saved more than it
/// had when it was submitted, and has not reached its end.
pub fn judge(
    job: Option<&Job>,
    left: Option<&Left>,
    misses: u32,
    got_further: impl Fn() -> Result<bool>,
) -> Result<Verdict> {
    let ending = left.map(|left| &left.ending);
    if let Some(ending @ (Ending::Finished | Ending::Requeued(_) | Ending::Failed { .. })) = ending {
        return Ok(Verdict::Over(ending.clone()));
    }
    match job {
        Some(job) if job.is_queued() => return Ok(Verdict::Queued),
        Some(job) if job.is_live() => return Ok(Verdict::Running),
        _ if misses < PATIENCE => return Ok(Verdict::Unclear),
        _ => {}
    }
    let state = job.map_or("", |job| job.state.as_str());
    let id = job.map_or_else(|| "its job".to_string(), |job| format!("job {}", job.id()));
    let failed = |kind, reason: String| Ending::Failed { kind, reason, detail: String::new() };
    let took_its_place_away =
        ending == Some(&Ending::Stopped) || ["TIMEOUT", "PREEMPTED", "DEADLINE"].contains(&state);
    Ok(Verdict::Over(match state {
        "CANCELLED" => Ending::Left(format!("{id} was cancelled")),
        _ if took_its_place_away && got_further()? => Ending::Requeued(match state {
            "TIMEOUT" => format!("{id} came to its time limit"),
            "PREEMPTED" => format!("{id} was preempted"),
            _ => format!("{id} had to stop"),
        }),
        // No progress: this counts as an attempt.
        _ if ending == Some(&Ending::Stopped) => Ending::Stopped,
        "OUT_OF_MEMORY" => failed(FailureKind::OutOfMemory, format!("{id} ran out of memory")),
        "NODE_FAIL" | "BOOT_FAIL" => failed(FailureKind::Lost, format!("{id} lost its node")),
        "TIMEOUT" => {
            failed(FailureKind::Lost, format!("{id} came to its time limit before anything more was saved"))
        }
        "" => failed(FailureKind::Lost, format!("{id} left the queue without a trace")),
        state => failed(FailureKind::Lost, format!("{id} ended without a trace; Slurm says {state}")),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(state: &str) -> Job {
        Job { name: "n".into(), array: 12, element: 3, state: state.into(), reason: "None".into() }
    }

    fn left(ending: Ending) -> Left {
        Left { submission: "n".into(), element: 3, ending, requeued: false }
    }

    fn verdict(state: Option<&str>, ending: Option<Ending>, misses: u32, got_further: bool) -> Verdict {
        judge(state.map(job).as_ref(), ending.map(left).as_ref(), misses, || Ok(got_further)).unwrap()
    }

    #[test]
    fn what_a_job_left_counts_and_else_what_squeue_says() {
        let failed =
            Ending::Failed { kind: FailureKind::Diverged, reason: "diverged".into(), detail: "".into() };
        for state in [None, Some("RUNNING"), Some("COMPLETING"), Some("FAILED")] {
            assert_eq!(verdict(state, Some(Ending::Finished), 0, true), Verdict::Over(Ending::Finished));
            assert_eq!(verdict(state, Some(failed.clone()), 0, true), Verdict::Over(failed.clone()));
        }
        assert_eq!(verdict(Some("PENDING"), None, 0, false), Verdict::Queued);
        assert_eq!(verdict(Some("RUNNING"), None, 9, false), Verdict::Running);
        // The job stopped and may come back: Slurm itself restarts it after a preemption.
        assert_eq!(verdict(Some("COMPLETING"), Some(Ending::Stopped), 9, true), Verdict::Running);
        assert_eq!(verdict(Some("PENDING"), Some(Ending::Stopped), 9, true), Verdict::Queued);
    }

    #[test]
    fn a_job_that_is_gone_is_given_time_to_say_how_it_ended() {
        assert_eq!(verdict(None, None, 0, false), Verdict::Unclear);
        assert_eq!(verdict(Some("TIMEOUT"), Some(Ending::Stopped), 1, true), Verdict::Unclear);
    }

    #[test]
    fn time_that_is_over_costs_an_attempt_only_if_nothing_was_gained() {
        let kind = |verdict| match verdict {
            Verdict::Over(Ending::Failed { kind, reason, .. }) => (kind, reason),
            other => panic!("{other:?}"),
        };
        let again = |state, ending| match verdict(state, ending, 2, true) {
            Verdict::Over(Ending::Requeued(why)) => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(again(Some("TIMEOUT"), None), "job 12_3 came to its time limit");
        assert_eq!(again(Some("PREEMPTED"), Some(Ending::Stopped)), "job 12_3 was preempted");
        assert_eq!(again(None, Some(Ending::Stopped)), "its job had to stop");
        assert_eq!(
            verdict(Some("COMPLETED"), Some(Ending::Stopped), 2, false),
            Verdict::Over(Ending::Stopped)
        );
        let (lost, reason) = kind(verdict(Some("TIMEOUT"), None, 2, false));
        assert_eq!(lost, FailureKind::Lost);
        assert!(reason.contains("before anything more was saved"), "{reason}");
    }

    #[test]
    fn jobs_that_vanish_are_lost_and_cancelled_ones_are_let_be() {
        let over = |state, ending, further| match verdict(state, ending, 2, further) {
            Verdict::Over(ending) => ending,
            other => panic!("{other:?}"),
        };
        for state in [None, Some("FAILED"), Some("NODE_FAIL"), Some("COMPLETED")] {
            let ending = over(state, None, true);
            assert!(
                matches!(ending, Ending::Failed { kind: FailureKind::Lost, .. }),
                "{state:?}: {ending:?}"
            );
        }
        let memory = over(Some("OUT_OF_MEMORY"), None, true);
        assert!(matches!(memory, Ending::Failed { kind: FailureKind::OutOfMemory, .. }));
        let left = Ending::Left("job 12_3 was cancelled".into());
        assert_eq!(over(Some("CANCELLED"), None, true), left);
        assert_eq!(over(Some("CANCELLED"), Some(Ending::Stopped), true), left);
    }
}
