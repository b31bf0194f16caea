//! The two programs behind the one command: commands without computation do not load libtorch, and computation happens in
//! the process that was started.

use crate::common::{Outcome, Workshop};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

const ABLATE: &str = env!("CARGO_BIN_EXE_ablate");
const COMPUTES: &str = env!("CARGO_BIN_EXE_ablate-torch");

/// Whether a program is linked to libtorch: the loader of glibc lists what it would load, and starts nothing.
fn needs_libtorch(program: &str) -> bool {
    let output = Command::new(program).env("LD_TRACE_LOADED_OBJECTS", "1").output().unwrap();
    let libraries = String::from_utf8(output.stdout).unwrap();
    assert!(libraries.contains("libc.so"), "{libraries}");
    libraries.contains("libtorch")
}

#[test]
fn the_program_that_people_start_is_not_linked_to_libtorch() {
    assert!(needs_libtorch(COMPUTES));
    assert!(!needs_libtorch(ABLATE));
}

#[test]
fn a_link_to_the_program_finds_the_part_that_computes() {
    let workshop = Workshop::new();
    symlink(ABLATE, workshop.path("linked")).unwrap();
    let mut command = Command::new(workshop.path("linked"));
    let outcome = Outcome(command.args(["doctor", "--device", "cpu"]).output().unwrap()).expect(0);
    assert!(outcome.out().contains("libtorch"));
}

#[test]
fn it_computes_in_the_process_that_was_started() {
    let workshop = Workshop::new();
    // Standard input stays open, so that the process waits for lines to read.
    let mut command = workshop.command(&["probe", "/dev/stdin"]);
    let mut process =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let runs = |program: &str| {
        let found = std::fs::read_link(format!("/proc/{}/exe", process.id())).unwrap();
        found == Path::new(program).canonicalize().unwrap()
    };
    let patience = std::time::Instant::now();
    while !runs(COMPUTES) && patience.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert!(runs(COMPUTES));
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn without_the_part_that_computes_the_rest_works_and_what_computes_says_what_to_do() {
    let workshop = Workshop::new();
    let alone = workshop.path("ablate");
    std::fs::copy(ABLATE, &alone).unwrap();
    let run = |words: &[&str]| Outcome(Command::new(&alone).args(words).output().unwrap());
    run(&["--version"]).expect(0);
    run(&["doctor"])
        .expect(1)
        .says("ablate-torch, the part of ablate that computes: No such file or directory")
        .says("cargo build --release");
}

#[test]
fn two_programs_of_different_builds_do_not_work_together() {
    let mut command = Command::new(COMPUTES);
    command.arg0("ablate").arg("doctor").env("ABLATE_BUILD", "0.0.9 of commit abc");
    Outcome(command.output().unwrap())
        .expect(1)
        .says("ablate is version 0.0.9 of commit abc, but ablate-torch beside it is version")
        .says(", sources ");
}
