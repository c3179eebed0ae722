//! Calls of a database server.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::message::Scanner;
use crate::stream::Stream;
use crate::{Error, Remote, Results, Transaction};

/// A connection to a database server.
#[derive(Debug)]
pub struct Client {
    remote: Remote,
    stream: Stream,
    /// What has been received and not been read.
    buffer: Vec<u8>,
    scanner: Scanner,
    last_id: u64,
    patience: Duration,
}

/// As much as is received at once, in bytes.
const PIECE_BYTES: usize = 64 << 10;

impl Client {
    /// Connects. `patience` is how long each call waits, beside what its transactions wait themselves.
    ///
    /// # Errors
    /// [`Error::Connect`].
    pub fn connect(remote: &Remote, patience: Duration) -> Result<Self, Error> {
        let stream = Stream::open(remote, Instant::now() + patience)
            .map_err(|source| Error::Connect { remote: remote.to_string(), source })?;
        Ok(Self {
            remote: remote.clone(),
            stream,
            buffer: Vec::new(),
            scanner: Scanner::default(),
            last_id: 0,
            patience,
        })
    }

    /// Runs a transaction.
    ///
    /// # Errors
    /// [`Error::Refused`] with the words of the server, and [`Error::TimedOut`] for a `wait`: nothing has been done. All else as
    /// [`Error::is_unanswered`] tells.
    pub fn transact(&mut self, transaction: Transaction) -> Result<Results, Error> {
        self.transact_within(transaction, Duration::ZERO)
    }

    /// The same with a transaction that itself waits, at most for `waiting`.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub fn transact_within(&mut self, transaction: Transaction, waiting: Duration) -> Result<Results, Error> {
        let id = self.send([("transact", transaction.parameters())])?;
        self.results(id, Instant::now() + self.patience + waiting)
    }

    /// Runs two transactions that are sent in one write, the second whatever becomes of the first. It waits at most `waiting`
    /// longer for the second than for others.
    ///
    /// # Errors
    /// As [`Client::transact`], for each.
    pub fn transact_and_wait(
        &mut self,
        first: Transaction,
        second: Transaction,
        waiting: Duration,
    ) -> (Result<Results, Error>, Result<Results, Error>) {
        let id = match self.send([("transact", first.parameters()), ("transact", second.parameters())]) {
            Ok(id) => id,
            Err(error) => {
                let second = self.broken(io::ErrorKind::BrokenPipe.into());
                return (Err(error), Err(second));
            }
        };
        let until = Instant::now() + self.patience;
        let first = self.results(id - 1, until);
        let second = self.results(id, until + waiting);
        (first, second)
    }

    /// Somebody holds the lock of this name; that of the running `ovs-vswitchd` is `ovs_vswitchd`. The connection cannot be used
    /// afterwards: closing it gives the lock back, should it have been free (RFC 7047, section 4.1.8).
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub fn is_locked(mut self, name: &str) -> Result<bool, Error> {
        let id = self.send([("lock", vec![json!(name)])])?;
        let answer = self.answer(id, Instant::now() + self.patience)?;
        match answer.get("locked").and_then(Value::as_bool) {
            Some(is_ours) => Ok(!is_ours),
            None => Err(self.nonsense("its answer to \"lock\" does not say \"locked\"")),
        }
    }

    /// Sends calls in one write, and returns the number of the last.
    fn send<const N: usize>(&mut self, calls: [(&str, Vec<Value>); N]) -> Result<u64, Error> {
        let mut text = Vec::new();
        for (method, parameters) in calls {
            self.last_id += 1;
            let call = json!({"id": self.last_id, "method": method, "params": parameters});
            serde_json::to_writer(&mut text, &call).map_err(|error| self.nonsense(&error.to_string()))?;
        }
        let sent = self.stream.send(&text, Instant::now() + self.patience);
        sent.map(|()| self.last_id).map_err(|source| self.broken(source))
    }

    fn results(&mut self, id: u64, until: Instant) -> Result<Results, Error> {
        match self.answer(id, until)? {
            Value::Array(results) => match refusal(&results) {
                None => Ok(Results(results)),
                Some((place, words)) if words.starts_with("timed out") => {
                    Err(Error::TimedOut { remote: self.remote.to_string(), place })
                }
                Some((_, reason)) => Err(Error::Refused { remote: self.remote.to_string(), reason }),
            },
            _ => Err(self.nonsense("its answer to \"transact\" is no list")),
        }
    }

    /// Waits for the answer to a call, and answers questions whether this end is still there meanwhile (RFC 7047, section 4.1.11).
    fn answer(&mut self, id: u64, until: Instant) -> Result<Value, Error> {
        loop {
            let Value::Object(mut message) = self.receive(until)? else {
                return Err(self.nonsense("what it sends is no JSON object"));
            };
            if message.get("method").and_then(Value::as_str) == Some("echo") {
                let answer = json!({"id": message.get("id"), "result": message.get("params"), "error": null});
                let sent = self.stream.send(answer.to_string().as_bytes(), until);
                sent.map_err(|source| self.broken(source))?;
            } else if message.get("id").and_then(Value::as_u64) == Some(id) {
                return match message.remove("error").filter(|error| !error.is_null()) {
                    Some(error) => Err(Error::Refused { remote: self.remote.to_string(), reason: words(&error) }),
                    None => Ok(message.remove("result").unwrap_or_default()),
                };
            } else if message.get("method").is_none() && message.get("id").is_none() {
                return Err(self.nonsense("what it sends is neither a call nor an answer"));
            }
        }
    }

    fn receive(&mut self, until: Instant) -> Result<Value, Error> {
        loop {
            match self.scanner.end(&self.buffer) {
                Err(reason) => return Err(self.nonsense(reason)),
                Ok(Some(end)) => {
                    let text: Vec<u8> = self.buffer.drain(..end).collect();
                    return serde_json::from_slice(&text).map_err(|error| self.nonsense(&error.to_string()));
                }
                Ok(None) => {}
            }
            let begin = self.buffer.len();
            self.buffer.resize(begin + PIECE_BYTES, 0);
            let received = self.stream.receive(self.buffer.get_mut(begin..).unwrap_or_default(), until);
            self.buffer.truncate(begin + received.as_ref().map_or(0, |count| *count));
            match received {
                Ok(0) => return Err(self.broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(source) => return Err(self.broken(source)),
            }
        }
    }

    fn broken(&self, source: io::Error) -> Error {
        let remote = self.remote.to_string();
        match source.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Error::Silent { remote, patience: self.patience },
            _ => Error::Broken { remote, source },
        }
    }

    fn nonsense(&self, reason: &str) -> Error {
        Error::Nonsense { remote: self.remote.to_string(), reason: reason.to_owned() }
    }
}

/// The first error of a transaction, with the place of its operation. That of the commit stands behind the results of all
/// operations; those after the one that failed are null.
fn refusal(results: &[Value]) -> Option<(usize, String)> {
    let of = |result: &Value| result.get("error").filter(|error| !error.is_null()).map(|_| words(result));
    results.iter().enumerate().find_map(|(place, result)| Some((place, of(result)?)))
}

/// An error as the server words it.
fn words(error: &Value) -> String {
    let part = |name| error.get(name).and_then(Value::as_str);
    match (part("error"), part("details")) {
        (Some(error), Some(details)) => format!("{error}: {details}"),
        (Some(error), None) => error.to_owned(),
        _ => error.as_str().map_or_else(|| error.to_string(), str::to_owned),
    }
}
