//! Downloads from a server that cuts connections, lies, serves other files, redirects, and is slow or silent.

use crate::common::server::{Reply, Request, Server};
use ablate::error::Error;
use ablate::fetch::{Cache, Download, Mirror, Policy};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// Long timeouts, which a sound server never reaches, and short pauses between attempts.
const POLICY: Policy = Policy {
    attempts: 3,
    most_attempts: 20,
    most_bytes: 1 << 20,
    pause: Duration::from_millis(1),
    connect: Duration::from_secs(60),
    silence: Duration::from_secs(60),
};

/// The file to download: 100,000 bytes of which no two parts are equal.
fn file() -> Vec<u8> {
    (0..25_000u32).flat_map(u32::to_le_bytes).collect()
}

/// SHA-256 of [`file`], as Python's hashlib computes it.
const SHA256: &str = "e47b2ef8f931a31c1167cdd8eeb73e8055b325f984e3adf8a01d8c3520d797d3";

/// A mirror that states size and checksum.
fn pinned(url: String) -> Mirror {
    Mirror { bytes: Some(100_000), sha256: Some(SHA256.into()), ..Mirror::at(&url) }
}

struct Desk {
    folder: TempDir,
    policy: Policy,
}

impl Desk {
    fn new() -> Self {
        Desk { folder: tempfile::tempdir().unwrap(), policy: POLICY }
    }

    /// Returns the content that the mirrors give, or the error; and the messages on the way.
    fn obtain(&self, mirrors: &[Mirror]) -> (Result<Vec<u8>, Error>, String) {
        let mut said = String::new();
        let cache = Cache::new(self.folder.path(), self.policy);
        let download =
            Download { name: Some("a".into()), members: BTreeMap::new(), mirrors: mirrors.to_vec() };
        let found = cache.obtain(&download, &mut |line: &str| said += &format!("{line}\n"));
        (found.map(|found| std::fs::read(found.path).unwrap()), said)
    }

    #[track_caller]
    fn gets_it(&self, mirrors: &[Mirror]) -> String {
        let (found, said) = self.obtain(mirrors);
        assert!(found.as_ref().is_ok_and(|found| *found == file()), "{:?}\n{said}", found.err());
        assert!(self.parts().is_empty(), "{:?}", self.parts());
        said
    }

    #[track_caller]
    fn fails(&self, mirrors: &[Mirror]) -> String {
        let (found, said) = self.obtain(mirrors);
        let error = found.expect_err(&said);
        assert_eq!(error.exit_code(), 1, "{error}");
        let complete: Vec<_> = self.files().into_iter().filter(|name| name.ends_with("/a")).collect();
        assert!(complete.is_empty(), "{complete:?}");
        error.to_string()
    }

    fn files(&self) -> Vec<String> {
        let mut folders = vec![self.folder.path().to_path_buf()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path: PathBuf = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path.display().to_string()) }
            }
        }
        files
    }

    fn parts(&self) -> Vec<String> {
        self.files().into_iter().filter(|name| name.contains(".part")).collect()
    }

    fn lock(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("lock.toml")).unwrap_or_default()
    }
}

fn ranged(request: &Request, _: usize) -> Reply {
    Reply::ranged(request, &file()).header("ETag: \"one\"")
}

#[test]
fn a_file_comes_once_and_is_kept() {
    let server = Server::start(ranged);
    let desk = Desk::new();
    desk.gets_it(&[pinned(server.url("/a"))]);
    desk.gets_it(&[pinned(server.url("/a"))]);
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    // If the server compressed the file for transfer, its checksum would differ.
    assert_eq!(requests[0].accept_encoding.as_deref(), Some("identity"));
    assert_eq!(desk.lock(), "", "what the recipe states is not recorded");
}

#[test]
fn cut_connections_go_on_where_they_were_cut() {
    let server = Server::start(|request, number| ranged(request, number).cut(30_000));
    let said = Desk::new().gets_it(&[pinned(server.url("/a"))]);
    assert!(said.contains("after 30000 of 100000 bytes"), "{said}");
    let asked: Vec<_> =
        server.requests().iter().map(|request| (request.from, request.if_range.clone())).collect();
    let one = Some("\"one\"".to_string());
    assert_eq!(
        asked,
        [(None, None), (Some(30_000), one.clone()), (Some(60_000), one.clone()), (Some(90_000), one)]
    );
}

#[test]
fn a_server_without_ranges_is_asked_anew() {
    let server = Server::start(|_, number| {
        let reply = Reply::new(200, &file());
        if number < 2 { reply.cut(30_000) } else { reply }
    });
    Desk::new().gets_it(&[pinned(server.url("/a"))]);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn attempts_that_bring_nothing_run_out() {
    let server = Server::start(|request, number| ranged(request, number).cut(0));
    let said = Desk::new().fails(&[pinned(server.url("/a"))]);
    assert!(
        said.contains("3 attempts in a row brought nothing new") && said.contains("--source DIR"),
        "{said}"
    );
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_later_call_goes_on_with_what_is_there() {
    let desk = Desk::new();
    let server = Server::start(|request, number| {
        if number < 3 {
            ranged(request, number).cut(if number == 0 { 70_000 } else { 0 })
        } else {
            ranged(request, number)
        }
    });
    desk.fails(&[pinned(server.url("/a"))]);
    assert_eq!(desk.parts().len(), 2, "{:?}", desk.parts());
    let said = desk.gets_it(&[pinned(server.url("/a"))]);
    assert!(said.contains("from byte 70000 on"), "{said}");
    assert_eq!(server.requests().last().unwrap().from, Some(70_000));
}

#[test]
fn a_part_that_was_complete_only_gets_its_name() {
    let desk = Desk::new();
    let server = Server::start(ranged);
    let mirror = pinned(server.url("/a"));
    desk.gets_it(std::slice::from_ref(&mirror));
    let place = desk.files().into_iter().find(|name| name.ends_with("/a")).unwrap();
    std::fs::rename(&place, format!("{place}.part")).unwrap();
    desk.gets_it(&[mirror]);
    assert_eq!(server.requests().last().unwrap().from, Some(100_000));
}

#[test]
fn a_file_that_changed_meanwhile_is_not_mixed_with_the_old_one() {
    // The server honours If-Range: its answer is the whole new file.
    let desk = Desk::new();
    let server = Server::start(|request, number| match number {
        0 => Reply::ranged(request, &[7; 100_000]).header("ETag: \"old\"").cut(30_000),
        _ if request.if_range.as_deref() == Some("\"new\"") => ranged(request, number),
        _ => Reply::new(200, &file()).header("ETag: \"new\""),
    });
    desk.gets_it(&[Mirror::at(&server.url("/a"))]);
    // The server ignores If-Range: only the checksum can tell, and then the whole file is fetched again.
    let server = Server::start(|request, number| match number {
        0 => Reply::ranged(request, &[7; 100_000]).cut(30_000),
        _ => Reply::ranged(request, &file()),
    });
    let said = Desk::new().gets_it(&[pinned(server.url("/a"))]);
    assert!(said.contains("sha256") && said.contains("starting anew"), "{said}");
    // There is neither checksum nor validator, so nothing is resumed.
    let server = Server::start(|request, number| match number {
        0 => Reply::ranged(request, &[7; 100_000]).cut(30_000),
        _ => Reply::ranged(request, &file()),
    });
    Desk::new().gets_it(&[Mirror::at(&server.url("/a"))]);
    assert!(server.requests().iter().all(|request| request.from.is_none()));
}

#[test]
fn a_part_of_another_version_is_not_joined_to_the_first() {
    // Servers that ignore If-Range. Only the headers of the partial response tell that the file has changed.
    type Described = fn(Reply, bool) -> Reply;
    let describe: [(&str, Described); 4] = [
        ("another ETag", |reply, new| reply.header(if new { "ETag: \"new\"" } else { "ETag: \"old\"" })),
        ("no ETag", |reply, new| if new { reply } else { reply.header("ETag: \"old\"") }),
        ("a weak ETag", |reply, new| reply.header(if new { "ETag: W/\"old\"" } else { "ETag: \"old\"" })),
        ("another date", |reply, new| {
            let day = if new { 2 } else { 1 };
            reply.header(&format!("Last-Modified: Thu, 0{day} Jan 2026 00:00:00 GMT"))
        }),
    ];
    for (what, described) in describe {
        let desk = Desk::new();
        let server = Server::start(move |request, number| match number {
            0 => described(Reply::ranged(request, &[7; 100_000]), false).cut(30_000),
            _ => described(Reply::ranged(request, &file()), true),
        });
        let said = desk.gets_it(&[Mirror::at(&server.url("/a"))]);
        assert!(said.contains("has changed") && said.contains("starting anew"), "{what}: {said}");
        assert!(desk.lock().contains(SHA256), "{what}: {}", desk.lock());
    }
    // The size tells as well, and no checksum is needed.
    let server = Server::start(|request, number| match number {
        0 => Reply::ranged(request, &[7; 90_000]).header("ETag: \"one\"").cut(30_000),
        _ => ranged(request, number),
    });
    let said = Desk::new().gets_it(&[Mirror::at(&server.url("/a"))]);
    assert!(said.contains("has changed"), "{said}");
}

#[test]
fn a_later_call_does_not_join_two_versions_either() {
    let desk = Desk::new();
    let server = Server::start(|request, number| match number {
        0 => Reply::ranged(request, &[7; 100_000]).header("ETag: \"old\"").cut(30_000),
        1 | 2 => Reply::new(503, b""),
        _ => Reply::ranged(request, &file()).header("ETag: \"new\""),
    });
    let mirror = Mirror::at(&server.url("/a"));
    desk.fails(std::slice::from_ref(&mirror));
    assert!(desk.gets_it(&[mirror]).contains("has changed"));
}

#[test]
fn a_server_that_never_goes_on_where_it_was_cut_is_given_up_for_the_next_mirror() {
    // From the beginning the server sends a part, and later other bytes in place of the rest.
    let server = Server::start(|request, number| match (request.target.as_str(), request.from) {
        ("/bad/a", None) => ranged(request, number).cut(30_000),
        ("/bad/a", Some(_)) => {
            Reply::new(206, &file()[10..]).header("Content-Range: bytes 10-99999/100000").cut(30_000)
        }
        _ => ranged(request, number),
    });
    let (found, said) = Desk::new().obtain(&[pinned(server.url("/bad/a")), pinned(server.url("/a"))]);
    assert_eq!(found.unwrap(), file());
    assert!(said.contains("3 attempts in a row brought nothing new"), "{said}");
    assert_eq!(server.requests().len(), 4);
    // One byte more in each attempt does not complete the file either.
    let server = Server::start(|request, number| ranged(request, number).cut(1));
    let said = Desk::new().fails(&[pinned(server.url("/a"))]);
    assert!(said.contains("given up after 20 attempts"), "{said}");
}

#[test]
fn a_server_that_sends_without_end_is_given_up_for_the_next_mirror() {
    let server = Server::start(|request, number| match request.target.as_str() {
        "/endless/a" => Reply::new(200, &[7; 100_000]).endless(),
        _ => ranged(request, number),
    });
    let desk = Desk::new();
    let said = desk.gets_it(&[Mirror::at(&server.url("/endless/a")), Mirror::at(&server.url("/a"))]);
    assert!(said.contains("more than 1048576 bytes") && said.contains("state bytes = "), "{said}");
    // A stated size is the limit instead, also if only the server states it.
    let server = Server::start(|_, _| Reply::new(200, &[7; 2 << 20]));
    assert_eq!(Desk::new().obtain(&[Mirror::at(&server.url("/b"))]).0.unwrap().len(), 2 << 20);
}

#[test]
fn name_and_password_of_an_address_go_to_the_server_and_nowhere_else() {
    let desk = Desk::new();
    let server = Server::start(|request, number| match request.target.as_str() {
        "/a" if number > 0 => ranged(request, number),
        "/a" => Reply::new(503, b""),
        _ => Reply::new(404, b""),
    });
    let with = |path: &str| server.url(path).replace("://", "://me:secret@");
    let said = desk.gets_it(&[Mirror::at(&with("/a"))]);
    // Python's base64 of "me:secret".
    let authorization = "Basic bWU6c2VjcmV0";
    assert!(server.requests().iter().all(|one| one.authorization.as_deref() == Some(authorization)));
    assert!(said.contains(&server.url("/a")), "{said}");
    let failed = desk.obtain(&[Mirror::at(&with("/gone"))]);
    let failed = format!("{}{}", failed.0.unwrap_err(), failed.1);
    let everywhere = [said, failed, desk.lock(), desk.files().join("\n")].join("\n");
    assert!(!everywhere.contains("secret") && !everywhere.contains("me:"), "{everywhere}");
    assert!(desk.lock().contains(&format!("[\"{}\"]", server.url("/a"))), "{}", desk.lock());
}

#[test]
fn a_server_that_sends_another_range_is_not_believed() {
    let server = Server::start(|request, number| match number {
        0 => ranged(request, number).cut(30_000),
        1 => Reply::new(206, &file()[10..]).header("Content-Range: bytes 10-99999/100000"),
        _ => ranged(request, number),
    });
    let said = Desk::new().gets_it(&[pinned(server.url("/a"))]);
    assert!(said.contains("another part than was asked for"), "{said}");
}

#[test]
fn lies_about_the_length_are_found_out() {
    // The server promises more bytes than it sends, each time.
    let server = Server::start(|_, _| Reply::new(200, &file()).length(Some(100_010)));
    let said = Desk::new().fails(&[Mirror::at(&server.url("/a"))]);
    assert!(said.contains("after 100000 of 100010 bytes"), "{said}");
    // The server promises fewer bytes than the recipe states: the download does not begin.
    let server = Server::start(|_, _| Reply::new(200, &file()).length(Some(99_990)));
    let said = Desk::new().fails(&[pinned(server.url("/a"))]);
    assert!(said.contains("has 99990 bytes instead of 100000"), "{said}");
    // Only the checksum is stated, not the size.
    let server = Server::start(|_, _| Reply::new(200, &file()).length(Some(99_990)));
    let said = Desk::new().fails(&[Mirror { bytes: None, ..pinned(server.url("/a")) }]);
    assert!(said.contains("sha256"), "{said}");
    // No length, and more bytes than stated.
    let server = Server::start(|_, _| Reply::new(200, &[7; 200_000]).length(None));
    let said = Desk::new().fails(&[pinned(server.url("/a"))]);
    assert!(said.contains("more than 100000 bytes"), "{said}");
    // No length, and the right number of bytes.
    let server = Server::start(|_, _| Reply::new(200, &file()).length(None));
    Desk::new().gets_it(&[pinned(server.url("/a"))]);
    let server = Server::start(|_, _| Reply::new(200, &file()).length(None).cut(50));
    let said = Desk::new().fails(&[pinned(server.url("/a"))]);
    assert!(said.contains("after 50 of 100000 bytes"), "{said}");
}

#[test]
fn the_next_mirror_is_asked_when_one_has_another_file() {
    let server = Server::start(|request, number| match request.target.as_str() {
        "/wrong/a" => Reply::ranged(request, &[7; 100_000]),
        "/page/a" => {
            Reply::new(200, b"<html>not here</html>").header("Content-Type: text/html; charset=utf-8")
        }
        "/gone/a" => Reply::new(404, b"gone"),
        _ => ranged(request, number),
    });
    let mirrors = ["/wrong/a", "/page/a", "/gone/a", "/a"].map(|path| pinned(server.url(path)));
    let said = Desk::new().gets_it(&mirrors);
    for reason in ["another file than stated", "a web page", "404"] {
        assert!(said.contains(reason), "{said}");
    }
    // None of these errors is worth a second attempt.
    assert_eq!(server.requests().len(), 4);
    let said = Desk::new().fails(&mirrors[..3]);
    assert_eq!(said.lines().filter(|line| line.contains(&server.url(""))).count(), 3, "{said}");
}

#[test]
fn a_busy_server_is_asked_again() {
    let server = Server::start(|request, number| match number {
        0 => Reply::new(503, b""),
        1 => Reply::new(429, b""),
        _ => ranged(request, number),
    });
    Desk::new().gets_it(&[pinned(server.url("/a"))]);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn redirections_are_followed_to_an_end() {
    let server = Server::start(|request, number| match request.target.as_str() {
        "/old" => Reply::new(302, b"").header("Location: /a"),
        "/round" => Reply::new(301, b"").header("Location: /round"),
        _ => ranged(request, number).cut(60_000),
    });
    Desk::new().gets_it(&[pinned(server.url("/old"))]);
    // Each attempt is redirected, and requests the rest.
    assert_eq!(server.requests().last().unwrap().from, Some(60_000));
    let said = Desk::new().fails(&[pinned(server.url("/round"))]);
    assert!(said.contains("redirect"), "{said}");
}

#[test]
fn slow_servers_are_waited_for_and_silent_ones_are_not() {
    let server = Server::start(|request, number| ranged(request, number).drip(5_000));
    Desk::new().gets_it(&[pinned(server.url("/a"))]);
    let server = Server::start(|request, number| match number {
        0 => ranged(request, number).silent_after(40_000),
        _ => ranged(request, number),
    });
    let silence = Duration::from_millis(300);
    let desk = Desk { policy: Policy { silence, ..POLICY }, ..Desk::new() };
    let said = desk.gets_it(&[pinned(server.url("/a"))]);
    assert!(said.contains("cut off after 40000"), "{said}");
}

#[test]
fn servers_that_are_not_there_are_named() {
    let gone = Server::start(ranged).url("/a");
    let said = Desk::new().fails(&[pinned(gone.clone())]);
    assert!(said.contains(&gone), "{said}");
}

#[test]
fn an_unknown_checksum_is_recorded_and_required_from_then_on() {
    let desk = Desk::new();
    let server = Server::start(|request, number| match number {
        0 => ranged(request, number),
        _ => Reply::ranged(request, &[7; 100_000]),
    });
    let mirror = Mirror::at(&server.url("/a"));
    desk.gets_it(std::slice::from_ref(&mirror));
    let lock = desk.lock();
    assert!(lock.contains(&mirror.url) && lock.contains(SHA256), "{lock}");
    let place = desk.files().into_iter().find(|name| name.ends_with("/a")).unwrap();
    std::fs::remove_file(&place).unwrap();
    let said = desk.fails(std::slice::from_ref(&mirror));
    assert!(said.contains("lock.toml") && said.contains("delete its entry"), "{said}");
    // This is how to accept the new file.
    std::fs::remove_file(desk.folder.path().join("lock.toml")).unwrap();
    assert_eq!(desk.obtain(std::slice::from_ref(&mirror)).0.unwrap(), [7; 100_000]);
    // A file that is kept without an entry is accepted without a server, and recorded.
    let lock = desk.lock();
    std::fs::remove_file(desk.folder.path().join("lock.toml")).unwrap();
    let requests = server.requests().len();
    assert_eq!(desk.obtain(&[mirror]).0.unwrap(), [7; 100_000]);
    assert_eq!((server.requests().len(), desk.lock()), (requests, lock));
}

#[test]
fn a_kept_file_that_was_damaged_is_fetched_again() {
    let desk = Desk::new();
    let server = Server::start(ranged);
    let mirror = pinned(server.url("/a"));
    desk.gets_it(std::slice::from_ref(&mirror));
    let place = desk.files().into_iter().find(|name| name.ends_with("/a")).unwrap();
    std::fs::write(&place, &file()[..50_000]).unwrap();
    let said = desk.gets_it(&[mirror]);
    assert!(said.contains("50000 bytes instead of 100000") && said.contains("again"), "{said}");
}
