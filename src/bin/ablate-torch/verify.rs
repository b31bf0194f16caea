//! `ablate verify`: checks whether the record of a run still agrees with its files and scores.

use ablate_base::error::{Error, Result};
use ablate_command::commands::verify::Arguments;
use ablate_command::commands::{Places, print, print_json};
use ablate_compute::experiment::verify::{Check, Outcome, verify};
use serde_json::json;

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let checks = verify(&arguments.run, &places.data, arguments.decode)?;
    if arguments.json {
        // `holds` is null for a check without an answer.
        let one = |Check { what, outcome }: &Check| match outcome {
            Outcome::Holds => json!({"what": what, "holds": true, "found": null}),
            Outcome::Differs(found) => json!({"what": what, "holds": false, "found": found}),
            Outcome::Unknown(why) => json!({"what": what, "holds": null, "found": why}),
        };
        let holds = !checks.iter().any(differs);
        print_json(&json!({"holds": holds, "checks": checks.iter().map(one).collect::<Vec<_>>()}))?;
    }
    let mut text = String::new();
    for Check { what, outcome } in &checks {
        text += &match outcome {
            Outcome::Holds => format!("holds    {what}\n"),
            Outcome::Differs(found) => format!("DIFFERS  {what}: {found}\n"),
            Outcome::Unknown(why) => format!("unknown  {what}: {why}\n"),
        };
    }
    if !arguments.json {
        print(&text)?;
    }
    let failed = checks.iter().filter(|check| differs(check)).count();
    match failed {
        0 => Ok(()),
        _ => Err(Error::failed(format!(
            "{failed} of {} checks failed: the record of {} does not hold",
            checks.len(),
            arguments.run.display()
        ))),
    }
}

fn differs(check: &Check) -> bool {
    matches!(check.outcome, Outcome::Differs(_))
}
