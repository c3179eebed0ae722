//! Calls of a bridge.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::bundle::{Bundle, Step};
use crate::bytes::Reader;
use crate::flow::write_deletion;
use crate::message::{HEADER_BYTES, Header, Message, append, first, kind};
use crate::{Error, Flow, FoundFlow, Port, Refusal, Version, found, port, stream, version};

/// As much as is received at once, in bytes.
const PIECE_BYTES: usize = 16 << 10;

/// The most that the answers to one question may have, in bytes: some 500,000 flows.
const ANSWER_BYTES: usize = 64 << 20;

/// Questions in several parts (`enum ofp_multipart_type`), and the flag of all parts but the last.
const FLOWS: u16 = 1;
const PORTS: u16 = 13;
const MORE: u16 = 1;

/// A connection to a bridge. After an error it is of no further use, but for [`Error::Refused`] and [`Error::TooLong`].
#[derive(Debug)]
pub struct Connection {
    path: PathBuf,
    stream: UnixStream,
    /// What has been received and not been read.
    received: Vec<u8>,
    version: Version,
    last_number: u32,
    patience: Duration,
}

impl Connection {
    /// Connects to a bridge by its management socket, `BRIDGE.mgmt` in the run directory of Open vSwitch, and agrees on a version.
    /// `patience` is how long this and each later call may take in all.
    ///
    /// # Errors
    /// [`Error::Connect`]; [`Error::Version`]; all else as [`Error::is_unanswered`] tells.
    pub fn open(path: &Path, patience: Duration) -> Result<Self, Error> {
        let until = Instant::now() + patience;
        let stream = match stream::open(path, until) {
            Ok(stream) => stream,
            Err(source) if is_late(&source) => return Err(Error::Silent { path: path.to_owned(), patience }),
            Err(source) => return Err(Error::Connect { path: path.to_owned(), source }),
        };
        let (version, received) = (Version::V1_4, Vec::new());
        let mut connection = Self { path: path.to_owned(), stream, received, version, last_number: 0, patience };
        connection.greet(until)?;
        Ok(connection)
    }

    /// The version that was agreed on.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Adds flows, all or none: in a bundle, whose parts the switch checks before it is committed. One that has the table, the
    /// priority and the conditions of another takes its place.
    ///
    /// # Errors
    /// [`Error::Refused`] with the first flow that the switch does not like, or [`Error::TooLong`]: none has been added. All else as
    /// [`Error::is_unanswered`] tells.
    pub fn add(&mut self, flows: &[Flow]) -> Result<(), Error> {
        if flows.is_empty() {
            return Ok(());
        }
        let until = Instant::now() + self.patience;
        let (mut bytes, begin) = (Vec::new(), self.next_number());
        let bundle = Bundle { version: self.version, id: begin };
        bundle.write_step(&mut bytes, Step::Open, begin);
        for flow in flows {
            let number = self.next_number();
            if !bundle.write_part(&mut bytes, kind::FLOW_MOD, number, |bytes| flow.write_addition(bytes)) {
                return Err(Error::TooLong(flow.to_string()));
            }
        }
        let barrier = self.next_number();
        append(&mut bytes, self.header(kind::BARRIER_REQUEST, barrier), |_| {});
        let of_flow = |number: u32| {
            let place = number.checked_sub(begin + 1).and_then(|place| usize::try_from(place).ok());
            place
                .and_then(|place| flows.get(place))
                .map_or_else(|| "add flows".to_owned(), |flow| format!("add flow {flow}"))
        };
        self.send(&bytes, until)?;
        // A switch leaves out what it refuses and would commit the rest.
        let checked =
            self.answers(begin..=barrier, until, of_flow, |message| Ok(message.header.kind == kind::BARRIER_REPLY));
        let step = match &checked {
            Ok(()) => Step::Commit,
            Err(Error::Refused { .. }) => Step::Discard,
            Err(_) => return checked,
        };
        let number = self.next_number();
        bytes.clear();
        bundle.write_step(&mut bytes, step, number);
        self.send(&bytes, until)?;
        checked?;
        let answer = bundle.answer_kind();
        // A flow that fails only now does so by its own number, before the bundle.
        self.answers(begin..=number, until, of_flow, |message| {
            Ok(message.header.kind == answer && message.header.number == number)
        })
    }

    /// Deletes the flows of all tables whose cookie is `cookie` in the bits of `mask`. It is no error if there are none.
    ///
    /// # Errors
    /// [`Error::Refused`]; all else as [`Error::is_unanswered`] tells.
    pub fn delete(&mut self, cookie: u64, mask: u64) -> Result<(), Error> {
        let until = Instant::now() + self.patience;
        let (number, barrier) = (self.next_number(), self.next_number());
        let mut bytes = Vec::new();
        append(&mut bytes, self.header(kind::FLOW_MOD, number), |bytes| write_deletion(bytes, cookie, mask));
        append(&mut bytes, self.header(kind::BARRIER_REQUEST, barrier), |_| {});
        self.send(&bytes, until)?;
        let action = |_| format!("delete flows with cookie {cookie:#x}/{mask:#x}");
        self.answers(number..=barrier, until, action, |message| Ok(message.header.kind == kind::BARRIER_REPLY))
    }

    /// The flows of all tables whose cookie is `cookie` in the bits of `mask`; with 0 and 0 all.
    ///
    /// # Errors
    /// [`Error::Refused`]; all else as [`Error::is_unanswered`] tells.
    pub fn list(&mut self, cookie: u64, mask: u64) -> Result<Vec<FoundFlow>, Error> {
        self.ask(
            FLOWS,
            "list flows",
            |bytes| found::write_question(bytes, cookie, mask),
            |reader, _| found::read(reader),
        )
    }

    /// The ports of the bridge, with that of the bridge itself (4294967294).
    ///
    /// # Errors
    /// [`Error::Refused`]; all else as [`Error::is_unanswered`] tells.
    pub fn ports(&mut self) -> Result<Vec<Port>, Error> {
        self.ask(PORTS, "list ports", |_| {}, port::read)
    }

    fn greet(&mut self, until: Instant) -> Result<(), Error> {
        let number = self.next_number();
        let mut bytes = Vec::new();
        append(&mut bytes, self.header(kind::HELLO, number), |bytes| bytes.extend(version::hello()));
        self.send(&bytes, until)?;
        let Message { header, body } = self.receive(until)?;
        match (header.kind, Refusal::read(&body)) {
            (kind::HELLO, _) => {
                let agreed = version::negotiate(header.version, &body);
                self.version = agreed.map_err(|offered| Error::Version { path: self.path.clone(), offered })?;
                Ok(())
            }
            (kind::ERROR, Some(refusal)) if refusal.is_about_versions() => {
                Err(Error::Version { path: self.path.clone(), offered: "another version".to_owned() })
            }
            _ => Err(self.nonsense(format!("it begins with a message of type {}, which is no greeting", header.kind))),
        }
    }

    /// A question whose answer may have several parts.
    fn ask<T>(
        &mut self,
        question: u16,
        action: &str,
        body: impl FnOnce(&mut Vec<u8>),
        read: impl Fn(&mut Reader<'_>, Version) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let until = Instant::now() + self.patience;
        let (number, version) = (self.next_number(), self.version);
        let mut bytes = Vec::new();
        append(&mut bytes, self.header(kind::MULTIPART_REQUEST, number), |bytes| {
            bytes.extend(question.to_be_bytes());
            bytes.extend([0; 6]);
            body(bytes);
        });
        self.send(&bytes, until)?;
        let (mut found, mut size) = (Vec::new(), 0);
        self.answers(
            number..=number,
            until,
            |_| action.to_owned(),
            |message| {
                let mut reader = Reader(&message.body);
                let (Some(kind), Some(flags), Some(_)) = (reader.u16(), reader.u16(), reader.u32()) else {
                    return Err("a part of an answer is too short".to_owned());
                };
                size += message.body.len();
                if message.header.kind != kind::MULTIPART_REPLY || kind != question || size > ANSWER_BYTES {
                    return Err(format!(
                        "it answers a question of type {question} with one of type {kind}, or without end"
                    ));
                }
                while !reader.0.is_empty() {
                    found.push(read(&mut reader, version).ok_or("an entry of its answer cannot be read")?);
                }
                Ok(flags & MORE == 0)
            },
        )?;
        Ok(found)
    }

    /// Hands what answers to messages with these numbers to `take`, until that says that it was the last. `action` says what a
    /// message was to do.
    fn answers(
        &mut self,
        numbers: std::ops::RangeInclusive<u32>,
        until: Instant,
        action: impl Fn(u32) -> String,
        mut take: impl FnMut(&Message) -> Result<bool, String>,
    ) -> Result<(), Error> {
        let mut refused = None;
        loop {
            let message = self.receive(until)?;
            let number = message.header.number;
            if !numbers.contains(&number) {
                continue;
            }
            if message.header.kind == kind::ERROR {
                let Some(refusal) = Refusal::read(&message.body) else {
                    return Err(self.nonsense("an error message is too short".to_owned()));
                };
                refused.get_or_insert_with(|| Error::Refused {
                    path: self.path.clone(),
                    action: action(number),
                    refusal,
                });
                if number != *numbers.end() {
                    continue; // to the barrier or the commit
                }
            } else if !take(&message).map_err(|reason| self.nonsense(reason))? {
                continue;
            }
            return refused.map_or(Ok(()), Err);
        }
    }

    /// The next message. Questions whether this end is still there are answered meanwhile.
    fn receive(&mut self, until: Instant) -> Result<Message, Error> {
        loop {
            if let Some(message) = first(&self.received).map_err(|reason| self.nonsense(reason))? {
                self.received.drain(..HEADER_BYTES + message.body.len());
                if message.header.kind != kind::ECHO_REQUEST {
                    return Ok(message);
                }
                let mut bytes = Vec::new();
                let header = Header { kind: kind::ECHO_REPLY, ..message.header };
                append(&mut bytes, header, |bytes| bytes.extend(&message.body));
                self.send(&bytes, until)?;
                continue;
            }
            let begin = self.received.len();
            self.received.resize(begin + PIECE_BYTES, 0);
            let count = stream::receive(&self.stream, self.received.get_mut(begin..).unwrap_or_default(), until);
            self.received.truncate(begin + count.as_ref().map_or(0, |count| *count));
            count.map_err(|source| self.broken(source))?;
        }
    }

    fn send(&self, bytes: &[u8], until: Instant) -> Result<(), Error> {
        stream::send(&self.stream, bytes, until).map_err(|source| self.broken(source))
    }

    fn header(&self, kind: u8, number: u32) -> Header {
        Header { version: self.version.number(), kind, number }
    }

    fn next_number(&mut self) -> u32 {
        self.last_number = self.last_number.wrapping_add(1);
        self.last_number
    }

    fn broken(&self, source: io::Error) -> Error {
        let path = self.path.clone();
        if is_late(&source) { Error::Silent { path, patience: self.patience } } else { Error::Broken { path, source } }
    }

    fn nonsense(&self, reason: String) -> Error {
        Error::Nonsense { path: self.path.clone(), reason }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}
