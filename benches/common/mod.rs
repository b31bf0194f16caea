//! Code that all benchmarks share: printing the report and setting the exit code.

use ablate::error::Result;
use serde_json::Value;
use std::process::ExitCode;

/// Prints the report, or the error with its exit code.
pub fn finish(report: Result<Value>) -> ExitCode {
    match report {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
