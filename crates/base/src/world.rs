//! The rank of this process among several that train together, read from the variables that the launcher set.
//!
//! Either `RANK`, `WORLD_SIZE`, `MASTER_ADDR` and `MASTER_PORT`, as torchrun and many scripts set them, or the
//! variables of a Slurm step of more than one task. Incomplete or impossible variables are an error: a rank that
//! trained alone would pass for all of them.

use crate::error::{Error, Result};
use std::time::Duration;

/// The place of a process among those that train one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    /// Number of this process, from 0; rank 0 writes the run.
    pub rank: usize,
    /// Number of processes, at least two.
    pub size: usize,
    /// Number among the processes on this machine, from 0, which decides its card.
    pub local_rank: usize,
    /// Host on which rank 0 listens.
    pub host: String,
    pub port: u16,
    /// True if the launcher itself listens on `host` and `port`, as torchrun does.
    pub served: bool,
    /// Number of times that the launcher has restarted the ranks.
    pub restarts: usize,
    /// Time limit for a rank that sends nothing but keeps its connection open.
    pub patience: Duration,
}

const LAUNCH: [&str; 4] = ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"];
const RESTARTS: &str = "TORCHELASTIC_RESTART_COUNT";
const PATIENCE: &str = "ABLATE_PEER_TIMEOUT";
const DEFAULT_PATIENCE: Duration = Duration::from_secs(1800);
/// The largest number that a variable may have: as seconds 23 days, which in milliseconds still fit into C's `int`.
const LARGEST: usize = 2_000_000;

impl World {
    /// Reads this process's environment; `None` if the process trains alone.
    ///
    /// # Errors
    /// A user error that names the variable.
    pub fn of_environment() -> Result<Option<World>> {
        World::of(&|name| std::env::var(name).ok())
    }

    fn of(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<World>> {
        let set = |name: &&&str| variable(name).is_some();
        let own = LAUNCH[..2].iter().any(|name| variable(name).is_some());
        if !own && let Some(size) = slurm_tasks(variable)? {
            return World::of_slurm(variable, size).map(Some);
        }
        let Some(present) = LAUNCH.iter().find(set) else { return Ok(None) };
        if let Some(absent) = LAUNCH.iter().find(|name| !set(name)) {
            return Err(Error::user(format!(
                "{present} is set but {absent} is not; to train in several processes set {}, to train in one set none \
                 of them",
                LAUNCH.join(", ")
            )));
        }
        let (size, rank) = (number(variable, "WORLD_SIZE", 1)?, number(variable, "RANK", 0)?);
        let local_rank = match variable("LOCAL_RANK") {
            Some(_) => number(variable, "LOCAL_RANK", 0)?,
            None => rank,
        };
        let world = World::at(variable, rank, size, local_rank, None)?;
        Ok((size > 1).then_some(world))
    }

    /// Reads the variables of a Slurm step of `size` tasks. Its first task runs on the first of its machines.
    fn of_slurm(variable: &dyn Fn(&str) -> Option<String>, size: usize) -> Result<World> {
        let machines = ["SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST"].into_iter().find_map(variable);
        let first = machines.as_deref().map(first_host).filter(|host| !host.is_empty());
        let host = first.ok_or_else(|| {
            Error::user("SLURM_JOB_NODELIST names no machine; start the ranks by srun, or set MASTER_ADDR")
        })?;
        // Steps on one machine should not meet at one port.
        let serial = |name| variable(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let serial = serial("SLURM_JOB_ID").wrapping_mul(31).wrapping_add(serial("SLURM_STEP_ID"));
        let port = 20_000 + serial % 10_000;
        let (rank, local_rank) =
            (number(variable, "SLURM_PROCID", 0)?, number(variable, "SLURM_LOCALID", 0)?);
        World::at(variable, rank, size, local_rank, Some((host, port as u16)))
    }

    /// Checks the numbers against each other. `meeting` is used if `MASTER_ADDR` or `MASTER_PORT` is not set.
    fn at(
        variable: &dyn Fn(&str) -> Option<String>,
        rank: usize,
        size: usize,
        local_rank: usize,
        meeting: Option<(String, u16)>,
    ) -> Result<World> {
        let own = variable("RANK").is_some();
        if rank >= size {
            let (rank_name, size_name) =
                if own { ("RANK", "WORLD_SIZE") } else { ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS") };
            return Err(Error::user(format!(
                "{rank_name} = {rank}, but {size_name} = {size}: ranks are 0 to {}",
                size.saturating_sub(1)
            )));
        }
        let (host, port) = meeting.unzip();
        let host = match variable("MASTER_ADDR") {
            Some(host) if host.trim().is_empty() => {
                return Err(Error::user("MASTER_ADDR is empty; it is the host that rank 0 runs on"));
            }
            Some(host) => host,
            None => host.unwrap_or_default(),
        };
        let port = match variable("MASTER_PORT") {
            Some(_) => u16::try_from(number(variable, "MASTER_PORT", 1)?)
                .map_err(|_| Error::user("MASTER_PORT is above 65535, the last port that there is"))?,
            None => port.unwrap_or_default(),
        };
        let patience = match variable(PATIENCE) {
            Some(_) => Duration::from_secs(number(variable, PATIENCE, 1)? as u64),
            None => DEFAULT_PATIENCE,
        };
        let served = variable("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|value| value == "True");
        let restarts = match variable(RESTARTS) {
            Some(_) => number(variable, RESTARTS, 0)?,
            None => 0,
        };
        Ok(World { rank, size, local_rank, host, port, served, restarts, patience })
    }
}

/// Returns the number of tasks in this process's Slurm step; `None` outside of a step or if the step has one task. The
/// job's number of tasks is of no use: the job's batch script runs once.
fn slurm_tasks(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<usize>> {
    const TASKS: &str = "SLURM_STEP_NUM_TASKS";
    match variable(TASKS) {
        Some(_) => Ok(Some(number(variable, TASKS, 1)?).filter(|&tasks| tasks > 1)),
        None => Ok(None),
    }
}

/// Reads the number in a variable, at most [`LARGEST`], so that c10d can count ranks and milliseconds.
fn number(variable: &dyn Fn(&str) -> Option<String>, name: &str, least: usize) -> Result<usize> {
    let text = variable(name).ok_or_else(|| Error::user(format!("{name} is not set, but is needed here")))?;
    text.trim().parse().ok().filter(|number| (least..=LARGEST).contains(number)).ok_or_else(|| {
        Error::user(format!("{name} = {text:?} is not a whole number of at least {least}, {LARGEST} at most"))
    })
}

/// Returns the first machine of a list in Slurm's form: `gpu03` of `gpu[03-05,9],cpu1`.
fn first_host(list: &str) -> String {
    let mut host = String::new();
    // Inside brackets only the first number counts.
    let (mut inside, mut counts) = (false, true);
    for letter in list.trim().chars() {
        match letter {
            '[' => (inside, counts) = (true, true),
            ']' => (inside, counts) = (false, true),
            ',' if !inside => break,
            ',' | '-' if inside => counts = false,
            _ if counts => host.push(letter),
            _ => {}
        }
    }
    host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<World>> {
        let find =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| v.to_string());
        World::of(&find)
    }

    const TWO: [(&str, &str); 4] =
        [("RANK", "1"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "gpu7"), ("MASTER_PORT", "29500")];

    /// The four variables with one of them changed, or removed if the new value is empty.
    fn with(name: &str, value: &str) -> Result<Option<World>> {
        let mut variables: Vec<_> = TWO.into_iter().filter(|(known, _)| *known != name).collect();
        variables.extend((!value.is_empty()).then_some((name, value)));
        of(&variables)
    }

    const STEP: [(&str, &str); 6] = [
        ("SLURM_STEP_NUM_TASKS", "8"),
        ("SLURM_PROCID", "5"),
        ("SLURM_LOCALID", "1"),
        ("SLURM_JOB_NODELIST", "login,gpu[01-04]"),
        ("SLURM_STEP_NODELIST", "gpu[02-03]"),
        ("SLURM_JOB_ID", "4711"),
    ];

    #[test]
    fn a_launcher_says_which_rank_this_is() {
        let world = of(&TWO).unwrap().unwrap();
        assert_eq!((world.rank, world.size, world.local_rank), (1, 2, 1));
        assert_eq!((world.host.as_str(), world.port), ("gpu7", 29_500));
        assert_eq!(world.patience, DEFAULT_PATIENCE);
        assert!(!world.served && with("TORCHELASTIC_USE_AGENT_STORE", "True").unwrap().unwrap().served);
        assert_eq!(with(RESTARTS, "2").unwrap().unwrap().restarts, 2);
        assert_eq!(with("LOCAL_RANK", "0").unwrap().unwrap().local_rank, 0);
        assert_eq!(with(PATIENCE, "7").unwrap().unwrap().patience, Duration::from_secs(7));
    }

    #[test]
    fn a_process_of_its_own_is_no_rank() {
        assert_eq!(of(&[]).unwrap(), None);
        let alone = [("RANK", "0"), ("WORLD_SIZE", "1"), ("MASTER_ADDR", "a"), ("MASTER_PORT", "1")];
        assert_eq!(of(&alone).unwrap(), None);
    }

    #[test]
    fn a_slurm_step_of_several_tasks_is_a_world() {
        let world = of(&STEP).unwrap().unwrap();
        assert_eq!((world.rank, world.size, world.local_rank), (5, 8, 1));
        assert_eq!((world.host.as_str(), world.port), ("gpu02", 20_000 + 6_041));
        let chosen =
            of(&[&STEP[..], &[("MASTER_ADDR", "ib0"), ("MASTER_PORT", "5")]].concat()).unwrap().unwrap();
        assert_eq!((chosen.host.as_str(), chosen.port), ("ib0", 5));
        // torchrun below srun: the inner launcher counts.
        assert_eq!(of(&[&STEP[..], &TWO[..]].concat()).unwrap().unwrap().size, 2);
    }

    #[test]
    fn a_slurm_job_that_starts_one_task_is_no_rank() {
        let batch = [("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4"), ("SLURM_JOB_NODELIST", "n1")];
        assert_eq!(of(&batch).unwrap(), None);
        let one = [("SLURM_STEP_NUM_TASKS", "1"), ("SLURM_PROCID", "0"), ("SLURM_NTASKS", "4")];
        assert_eq!(of(&one).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_is_told_with_its_variable() {
        for (name, value, told) in [
            ("RANK", "2", "RANK = 2, but WORLD_SIZE = 2: ranks are 0 to 1"),
            ("RANK", "-1", "RANK = \"-1\" is not a whole number of at least 0"),
            ("RANK", "", "WORLD_SIZE is set but RANK is not"),
            ("WORLD_SIZE", "0", "WORLD_SIZE = \"0\" is not"),
            ("WORLD_SIZE", "two", "WORLD_SIZE = \"two\" is not"),
            ("WORLD_SIZE", "4294967295", "at least 1, 2000000 at most"),
            ("WORLD_SIZE", "", "RANK is set but WORLD_SIZE is not"),
            ("MASTER_ADDR", "", "RANK is set but MASTER_ADDR is not"),
            ("MASTER_ADDR", " ", "MASTER_ADDR is empty"),
            ("MASTER_PORT", "0", "MASTER_PORT = \"0\" is not"),
            ("MASTER_PORT", "70000", "MASTER_PORT is above 65535"),
            ("LOCAL_RANK", "x", "LOCAL_RANK = \"x\" is not"),
            (PATIENCE, "0", "ABLATE_PEER_TIMEOUT = \"0\" is not"),
        ] {
            let error = with(name, value).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(told), "{name}={value}: {error}");
        }
        let error = of(&[("SLURM_STEP_NUM_TASKS", "2")]).unwrap_err();
        assert!(error.to_string().contains("SLURM_JOB_NODELIST"), "{error}");
        let error = of(&STEP[..1].iter().chain(&STEP[2..]).copied().collect::<Vec<_>>()).unwrap_err();
        assert!(error.to_string().contains("SLURM_PROCID is not set"), "{error}");
    }

    #[test]
    fn the_first_machine_of_a_list_is_found() {
        for (list, first) in [
            ("n1", "n1"),
            ("n1,n2", "n1"),
            ("gpu[03-05,9],cpu1", "gpu03"),
            ("rack[2,4]node[10-12]", "rack2node10"),
            ("a-b[7]", "a-b7"),
            ("", ""),
        ] {
            assert_eq!(first_host(list), first);
        }
    }
}
