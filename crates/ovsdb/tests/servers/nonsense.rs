//! What a real server cannot be made to say.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use harness::Host;
use ovsdb::{Client, Error, Remote, Results};
use proptest::prelude::*;

use crate::daemons::{ask_for, transaction, within};

const PATIENCE: Duration = Duration::from_millis(400);

/// Listens, and treats each caller so, one after the other.
fn serve(path: &str, mut treat: impl FnMut(UnixStream) + Send + 'static) -> Remote {
    let server = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        for caller in server.incoming() {
            treat(caller.unwrap());
        }
    });
    format!("unix:{path}").parse().unwrap()
}

/// Reads one call, says that, and keeps the connection until the caller goes.
fn say(mut caller: UnixStream, answer: &[u8]) {
    let _ = caller.read(&mut [0; 4096]);
    // The caller may have heard enough before the end.
    if caller.write_all(answer).is_ok() {
        let _ = caller.read_to_end(&mut Vec::new());
    }
}

fn ask(remote: &Remote, patience: Duration) -> Result<Results, Error> {
    Client::connect(remote, patience)?.transact(transaction([ask_for("br0")]))
}

fn answer(text: &str, number: usize) -> Result<Results, Error> {
    let text = text.to_owned();
    let remote = serve(&format!("/run/{number}"), move |caller| say(caller, text.as_bytes()));
    within(PATIENCE, || ask(&remote, PATIENCE))
}

#[test]
fn nonsense_is_called_so_at_once() {
    let _host = Host::enter();
    let deep = "[".repeat(10_000);
    let deep = format!(r#"{{"id":1,"error":null,"result":{deep}{}}}"#, deep.replace('[', "]"));
    for (number, text) in [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "\u{16}\u{3}\u{1}",
        "[]",
        "null",
        "{}",
        "{]",
        "{\"id\":1,}",
        "{\"id\":1}}",
        r#"{"id":1}"#,
        r#"{"id":1,"error":null,"result":null}"#,
        r#"{"id":1,"error":null,"result":{}}"#,
        r#"{"id":1,"error":null,"result":7}"#,
        r#"{"id":1,"error":null,"result":[]}"#,
        r#"{"id":1,"error":null,"result":[null]}"#,
        r#"{"id":1,"error":null,"result":[7]}"#,
        r#"{"id":1,"error":null,"result":[{"rows":[]},{}]}"#,
        r#"{"id":null,"error":null,"result":[{"rows":[]}]}"#,
        r#"{"id":"1","error":null,"result":[{"rows":[]}]}"#,
        r#"{"id":2,"error":null,"result":[{"rows":[]}]}"#,
        r#"{"id":0,"error":null,"result":[{"rows":[]}]}"#,
        r#"{"id":-1,"error":null,"result":[{"rows":[]}]}"#,
        r#"{"id":18446744073709551616,"error":null,"result":[{"rows":[]}]}"#,
        "{\"id\":1,\"error\":null,\"result\":[{\"rows\":\"\\ud800\"}]}",
        &deep,
    ]
    .into_iter()
    .enumerate()
    {
        match answer(text, number) {
            Err(error @ Error::Nonsense { .. }) => assert!(error.is_unanswered() && !error.is_absence(), "{error}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn half_an_answer_is_waited_for_and_is_none_when_the_server_goes() {
    let _host = Host::enter();
    for (number, text) in
        ["", "  ", "{", r#"{"id":1,"error":null,"result":[{"rows":[]}]"#, r#"{"a":"}"#].iter().enumerate()
    {
        let error = answer(text, number).unwrap_err();
        assert!(matches!(error, Error::Silent { .. }) && error.is_unanswered(), "{text}: {error}");
        let said = text.to_owned();
        let remote = serve(&format!("/run/dying-{number}"), move |mut caller| {
            let _ = caller.read(&mut [0; 4096]);
            let _ = caller.write_all(said.as_bytes());
        });
        let error = within(Duration::ZERO, || ask(&remote, PATIENCE)).unwrap_err();
        assert!(matches!(error, Error::Broken { .. }) && error.is_unanswered(), "{text}: {error}");
    }
    // Before it has read anything: what was sent is lost.
    let remote = serve("/run/rude", drop);
    let error = within(Duration::ZERO, || ask(&remote, PATIENCE)).unwrap_err();
    assert!(matches!(error, Error::Broken { .. }) && error.is_unanswered(), "{error}");
}

#[test]
fn refusals_are_told_in_the_words_of_the_server() {
    let _host = Host::enter();
    for (number, (text, words)) in [
        (r#"{"id":1,"result":null,"error":"canceled"}"#, "canceled"),
        (
            r#"{"id":1,"result":null,"error":{"error":"unknown database","details":"none here"}}"#,
            "unknown database: none here",
        ),
        (r#"{"id":1,"result":null,"error":{"odd":[1]}}"#, r#"{"odd":[1]}"#),
        (
            r#"{"id":1,"error":null,"result":[{},{"error":"constraint violation","details":"twice"}]}"#,
            "constraint violation: twice",
        ),
        (r#"{"id":1,"error":null,"result":[{"error":"resources exhausted"},null]}"#, "resources exhausted"),
        (r#"{"id":1,"error":null,"result":[{"error":7}]}"#, "7"),
    ]
    .into_iter()
    .enumerate()
    {
        match answer(text, number) {
            Err(error @ Error::Refused { .. }) => {
                assert!(error.to_string().contains(words) && !error.is_unanswered(), "{error}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn what_stands_between_is_passed_over() {
    let _host = Host::enter();
    let text = r#" {"id":null,"method":"update","params":[null,{}]}
        {"id":7,"method":"unknown","params":{}}{"method":7}{"id":null,"method":"locked","params":["x"]}
        {"id":{"odd":1},"method":"echo","params":["\"}{"]}{"id":1,"error":null,"result":[{"rows":[{"name":"br0"}]}],"more":1}"#;
    let results = answer(text, 0).unwrap();
    assert_eq!(results.rows(0)[0].text("name"), Some("br0"));
    assert_eq!((results.rows(1), results.inserted(0), results.count(0)), (vec![], None, 0));

    let results =
        answer(r#"{"id":1,"error":null,"result":[{"rows":[7,null,{"name":7}],"uuid":[1,2],"count":"x"}]}"#, 1).unwrap();
    assert_eq!((results.rows(0).len(), results.inserted(0), results.count(0)), (1, None, 0));
}

#[test]
fn an_answer_without_end_is_not_read_for_ever() {
    let _host = Host::enter();
    let remote = serve("/run/endless", |mut caller| {
        let mut sent = caller.write_all(br#"{"id":1,"error":null,"result":["#);
        while sent.is_ok() {
            sent = caller.write_all(&[b' '; 1 << 16]);
        }
    });
    let error = ask(&remote, Duration::from_secs(20)).unwrap_err();
    assert!(matches!(&error, Error::Nonsense { reason, .. } if reason.contains("does not end")), "{error}");
}

#[test]
fn bytes_by_chance_are_an_error() {
    let _host = Host::enter();
    let (said, saying) = std::sync::mpsc::channel::<Vec<u8>>();
    let remote = serve("/run/chance", move |mut caller| {
        let _ = caller.read(&mut [0; 4096]);
        let _ = caller.write_all(&saying.recv().unwrap());
    });
    let good = br#"{"id":1,"error":null,"result":[{"rows":[{"name":["set",["br0"]],"_uuid":["uuid","b7"]}]}]}"#;
    let damaged = (0..good.len(), any::<u8>()).prop_map(|(place, byte)| {
        let mut text = good.to_vec();
        text[place] = byte;
        text
    });
    let letters = proptest::collection::vec(proptest::sample::select(b"{}[]\":,\\1enulid ".to_vec()), 0..200);
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        letters.prop_map(|mut text| {
            text.insert(0, b'{');
            text
        }),
        damaged
    ];
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(2000)
    });
    runner
        .run(&bytes, |bytes| {
            said.send(bytes).unwrap();
            if let Ok(results) = ask(&remote, Duration::from_secs(5)) {
                for row in results.rows(0) {
                    let _ = (row.text("name"), row.numbers("name"), row.uuid(), row.map("name"));
                }
            }
            Ok(())
        })
        .unwrap();
}
