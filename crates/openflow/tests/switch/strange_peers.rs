//! Peers that answer what no switch does: each ends in an error with the socket's name, in time, and nothing panics.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use harness::Host;
use openflow::{Action, Connection, Error, Flow, Match};

const PATIENCE: Duration = Duration::from_millis(150);
/// What a busy machine adds to it.
const SLACK: Duration = Duration::from_secs(1);
const SOCKET: &str = "/run/strange.mgmt";

const HELLO: [u8; 8] = [5, 0, 0, 8, 0, 0, 0, 1];

/// What a peer does with a connection.
type Peer<'a> = &'a (dyn Fn(UnixStream) + Sync);

/// What becomes of the calls with a peer, each on a connection of its own.
fn calls(peer: Peer<'_>) -> Vec<(&'static str, Result<(), Error>)> {
    let flow = Flow { table: 0, priority: 1, cookie: 2, matches: vec![Match::InPort(3)], action: Action::Normal };
    let call = |name: &'static str, call: &dyn Fn(&mut Connection) -> Result<(), Error>| {
        let _ = std::fs::remove_file(SOCKET);
        let listener = UnixListener::bind(SOCKET).expect("a socket");
        std::thread::scope(|scope| {
            scope.spawn(|| peer(listener.accept().expect("a connection").0));
            let start = Instant::now();
            let opened = Connection::open(Path::new(SOCKET), PATIENCE);
            let start = if opened.is_ok() { Instant::now() } else { start };
            let result = opened.and_then(|mut connection| call(&mut connection));
            assert!(start.elapsed() < PATIENCE + SLACK, "{name}: {:?}", start.elapsed());
            (name, result)
        })
    };
    vec![
        call("add", &|connection| connection.add(&[flow.clone(), flow.clone()])),
        call("delete", &|connection| connection.delete(2, 3)),
        call("list", &|connection| connection.list(2, 3).map(|_| ())),
        call("ports", &|connection| connection.ports().map(|_| ())),
    ]
}

/// Reads the greeting and what is asked; answers with `hello` and, to what is asked, `answer`.
fn answers(mut stream: UnixStream, hello: &[u8], answer: &[u8]) {
    let mut bytes = [0; 4096];
    let _ = stream.read(&mut bytes);
    let _ = stream.write_all(hello);
    if !answer.is_empty() && stream.read(&mut bytes).is_ok() {
        let _ = stream.write_all(answer);
    }
}

fn until_closed(mut stream: UnixStream) {
    while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
}

/// Says something and waits until the other side gives up.
fn then_hangs(stream: &UnixStream, hello: &[u8], answer: &[u8]) {
    answers(stream.try_clone().expect("a clone"), hello, answer);
    until_closed(stream.try_clone().expect("a clone"));
}

#[track_caller]
fn all_are(peer: Peer<'_>, what: &str, is_right: impl Fn(&Error) -> bool) {
    for (call, result) in calls(peer) {
        let error = result.expect_err(what);
        assert!(is_right(&error), "{what}, {call}: {error:?}");
        assert!(error.to_string().contains(SOCKET), "{what}, {call}: {error}");
    }
}

#[test]
fn silence_ends_in_time() {
    let _host = Host::enter();
    let is_silent = |error: &Error| matches!(error, Error::Silent { .. }) && error.is_unanswered();
    all_are(&|stream| until_closed(stream), "one that never speaks", is_silent);
    all_are(&|stream| then_hangs(&stream, &HELLO, &[]), "one that greets only", is_silent);
    all_are(&|stream| then_hangs(&stream, &HELLO[..5], &[]), "half a greeting", is_silent);
    all_are(&|stream| then_hangs(&stream, &HELLO, &[5, 21, 0, 8, 0]), "half an answer", is_silent);
    let foreign = [5, 21, 0, 8, 0, 0, 0xff, 0xff];
    all_are(&|stream| then_hangs(&stream, &HELLO, &foreign), "answers to others", is_silent);
    // A byte now and then, and messages of no concern without end.
    let drips = |mut stream: UnixStream| {
        while stream.write_all(&[5]).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    all_are(&drips, "one that drips", is_silent);
    let floods = |mut stream: UnixStream| {
        let _ = stream.write_all(&HELLO);
        while stream.write_all(&[5, 10, 0, 8, 0, 0, 0xff, 0xff].repeat(1000)).is_ok() {}
    };
    all_are(&floods, "one that floods", is_silent);
    let asks = |mut stream: UnixStream| {
        let _ = stream.write_all(&HELLO);
        while stream.write_all(&[5, 2, 0, 8, 0, 0, 0xff, 0xff]).is_ok() {}
    };
    all_are(&asks, "one that asks without end and reads nothing", is_silent);
}

#[test]
fn a_queue_that_is_full_ends_in_time() {
    let _host = Host::enter();
    let listener = UnixListener::bind(SOCKET).expect("a socket");
    nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).expect("a length")).expect("it is set");
    let _first = UnixStream::connect(SOCKET).expect("there is room for one");
    let start = Instant::now();
    let error = Connection::open(Path::new(SOCKET), PATIENCE).expect_err("nobody accepts");
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    assert!(start.elapsed() < PATIENCE + SLACK, "{:?}", start.elapsed());
}

#[test]
fn a_connection_that_is_closed_is_told() {
    let _host = Host::enter();
    let is_broken = |error: &Error| matches!(error, Error::Broken { .. }) && error.is_absence();
    all_are(&drop, "at once", is_broken);
    all_are(&|stream| answers(stream, &HELLO[..7], &[]), "in the greeting", is_broken);
    all_are(&|stream| answers(stream, &HELLO, &[]), "after the greeting", is_broken);
    all_are(&|stream| answers(stream, &HELLO, &[5, 19, 0, 80, 0, 0, 0, 2, 0, 1]), "in an answer", is_broken);
}

#[test]
fn nonsense_is_told() {
    let _host = Host::enter();
    let is_nonsense = |error: &Error| matches!(error, Error::Nonsense { .. });
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    all_are(&|stream| then_hangs(&stream, &[5, 0, 0, 7, 0, 0, 0, 1], &[]), "a length below the header's", is_nonsense);
    all_are(&|stream| then_hangs(&stream, &[5, 6, 0, 8, 0, 0, 0, 1], &[]), "no greeting", is_nonsense);
    all_are(&|stream| answers(stream, http, &[]), "another protocol", |error| error.is_unanswered());
    let short_error: Vec<u8> = (2..6).flat_map(|number| [5, 1, 0, 9, 0, 0, 0, number, 0]).collect();
    all_are(&|stream| then_hangs(&stream, &HELLO, &short_error), "errors that are too short", is_nonsense);
    let failed = [5, 1, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0];
    all_are(&|stream| then_hangs(&stream, &failed, &[]), "a refusal of the version", |error| {
        matches!(error, Error::Version { .. })
    });
    // To a question: an entry with a length of zero, one that goes beyond its message, and one without end.
    for (what, entry) in [("zero", [0; 8]), ("beyond", [0xff; 8]), ("begun", [0, 8, 0, 0, 0, 0, 0, 0])] {
        let question = |kind: u8| [&[5, 19, 0, 24, 0, 0, 0, 2, 0, kind][..], &[0; 6], &entry].concat();
        for (kind, name) in [(1, "list"), (13, "ports")] {
            let results = calls(&|stream| then_hangs(&stream, &HELLO, &question(kind)));
            let of_it = results.into_iter().find(|(call, _)| *call == name).map(|(_, result)| result);
            assert!(matches!(of_it, Some(Err(Error::Nonsense { .. }))), "{what} in {name}: {of_it:?}");
        }
    }
}

#[test]
fn refusals_are_told() {
    let _host = Host::enter();
    let refusals: Vec<u8> = (2..6).flat_map(|number| [5, 1, 0, 12, 0, 0, 0, number, 0, 1, 0, 5]).collect();
    all_are(&|stream| then_hangs(&stream, &HELLO, &refusals), "no permission", |error| match error {
        Error::Refused { .. } => error.to_string().ends_with("OFPET_BAD_REQUEST, OFPBRC_EPERM"),
        _ => false,
    });
}

#[test]
fn questions_are_answered_while_waiting() {
    let _host = Host::enter();
    let (sender, receiver) = std::sync::mpsc::channel();
    let peer = move |mut stream: UnixStream| {
        let mut bytes = [0; 4096];
        let _ = stream.write_all(&[&HELLO[..], &[5, 2, 0, 11, 0, 0, 9, 9, 1, 2, 3]].concat());
        // In three pieces or in one: the greeting, the question and the answer to ours.
        let count = stream.read(&mut bytes).unwrap_or_default();
        let mut received: Vec<u8> = bytes[..count].to_vec();
        let _ = stream.write_all(&[5, 21, 0, 8, 0, 0, 0, 3]);
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            received.extend(&bytes[..count]);
        }
        let _ = sender.send(received);
    };
    let listener = UnixListener::bind(SOCKET).expect("a socket");
    let thread = std::thread::spawn(move || peer(listener.accept().expect("a connection").0));
    let mut connection = Connection::open(Path::new(SOCKET), PATIENCE).expect("it greets");
    connection.delete(1, 1).expect("there is an answer");
    drop(connection);
    thread.join().expect("it ends");
    let received = receiver.recv().expect("what was sent");
    let answer = [5, 3, 0, 11, 0, 0, 9, 9, 1, 2, 3];
    assert!(received.windows(answer.len()).any(|part| part == answer), "{received:?}");
}

/// Numbers that look random (`xorshift64`), from a seed that a failure tells.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let count = self.next() % most;
        (0..count).map(|_| self.next().to_le_bytes()[3]).collect()
    }
}

/// Answers that begin as they should and go on at random, and real ones with bytes changed.
#[test]
fn no_answer_makes_it_panic() {
    let _host = Host::enter();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for round in 0..400 {
        let mut answer = Vec::new();
        for _ in 0..numbers.next() % 4 + 1 {
            let kind = [1, 2, 19, 19, 19, 21, 34, 33][usize::try_from(numbers.next() % 8).expect("small")];
            let mut body = numbers.bytes(120);
            if kind == 19 && body.len() > 60 {
                let question = if round % 2 == 0 { 1 } else { 13 };
                body[..4].copy_from_slice(&[0, question, 0, 0]);
                // A length for the first entry, and for its match, that may be right.
                let length = u8::try_from(body.len() - 8).expect("short");
                body[8..10].copy_from_slice(&[0, length]);
                if body.len() > 62 {
                    body[56..60].copy_from_slice(&[0, 1, 0, length.saturating_sub(50)]);
                }
            }
            let length = u16::try_from(body.len() + 8).expect("short").to_be_bytes();
            let number = numbers.next().to_le_bytes()[0] % 5 + 1;
            answer.extend([5, kind, length[0], length[1], 0, 0, 0, number]);
            answer.extend(body);
        }
        let is_greeting = round % 10 == 0;
        let hello = if is_greeting { numbers.bytes(40) } else { HELLO.to_vec() };
        let answer = if is_greeting { Vec::new() } else { answer };
        for (call, result) in calls(&|stream| answers(stream, &hello, &answer)) {
            if let Err(error) = result {
                assert!(error.to_string().contains(SOCKET), "round {round}, {call}: {error}");
            }
        }
    }
}
