//! Calls of a database server.

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::connect::connect;
use crate::message::Scanner;
use crate::secured::Distrust;
use crate::stream::Stream;
use crate::{Error, Remote, Results, Transaction};

/// A connection to a database server.
#[derive(Debug)]
pub struct Client {
    remote: Remote,
    stream: Box<dyn Stream>,
    /// What has been received and not been read.
    buffer: Vec<u8>,
    scanner: Scanner,
    /// Answers that came before those to earlier calls: a transaction that waits does not hold up others.
    early: BTreeMap<u64, Map<String, Value>>,
    last_id: u64,
    /// Half a call has been sent: no other can follow.
    is_cut: bool,
    patience: Duration,
}

/// As much as is received at once, in bytes: the answer to what a plugin asks, or, if it is longer, as much as there is already.
const PIECE_BYTES: RangeInclusive<usize> = 4 << 10..=256 << 10;

/// By when a call ends, and how long that was when it began.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    until: Instant,
    patience: Duration,
}

impl Deadline {
    /// More than anybody waits, and little enough to be added to any time.
    const LONGEST: Duration = Duration::from_secs(365 * 86_400);

    fn after(patience: Duration) -> Self {
        let patience = patience.min(Self::LONGEST);
        Self { until: Instant::now() + patience, patience }
    }

    fn later(self, by: Duration) -> Self {
        let by = by.min(Self::LONGEST);
        Self { until: self.until + by, patience: self.patience + by }
    }
}

impl Client {
    /// Connects. `patience` is how long each call takes at most, connecting included, beside what its transactions wait
    /// themselves.
    ///
    /// # Errors
    /// [`Error::Connect`]; [`Error::Keys`] and [`Error::Distrust`] where TLS is spoken.
    pub fn connect(remote: &Remote, patience: Duration) -> Result<Self, Error> {
        let stream = connect(remote, Deadline::after(patience).until)?;
        Ok(Self {
            remote: remote.clone(),
            stream: stream.map_err(|source| unconnected(remote, patience, source))?,
            buffer: Vec::new(),
            scanner: Scanner::default(),
            early: BTreeMap::new(),
            last_id: 0,
            is_cut: false,
            patience,
        })
    }

    /// Runs a transaction.
    ///
    /// # Errors
    /// [`Error::Refused`] with the words of the server, [`Error::TimedOut`] for a `wait`, and [`Error::Distrust`]: nothing has
    /// been done. All else as [`Error::is_unanswered`] tells.
    pub fn transact(&mut self, transaction: Transaction) -> Result<Results, Error> {
        self.transact_within(transaction, Duration::ZERO)
    }

    /// The same with a transaction that itself waits, at most for `waiting`.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub fn transact_within(&mut self, transaction: Transaction, waiting: Duration) -> Result<Results, Error> {
        let deadline = Deadline::after(self.patience);
        let count = transaction.len();
        let id = self.send([("transact", transaction.parameters())], deadline)?;
        self.results(id, count, deadline.later(waiting))
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
        let deadline = Deadline::after(self.patience);
        let counts = (first.len(), second.len());
        let calls = [("transact", first.parameters()), ("transact", second.parameters())];
        let sent = self.send(calls, deadline);
        let first = match &sent {
            Ok(id) => self.results(id - 1, counts.0, deadline),
            Err(_) => Err(self.broken(io::ErrorKind::BrokenPipe.into(), deadline)),
        };
        // Whoever is not trusted is so for both.
        match (sent, first) {
            (Ok(_), Err(Error::Distrust { remote, reason })) | (Err(Error::Distrust { remote, reason }), _) => {
                let again = Error::Distrust { remote: remote.clone(), reason: reason.clone() };
                (Err(Error::Distrust { remote, reason }), Err(again))
            }
            (Ok(id), first) => (first, self.results(id, counts.1, deadline.later(waiting))),
            (Err(error), broken) => (Err(error), broken),
        }
    }

    /// Somebody holds the lock of this name; that of the running `ovs-vswitchd` is `ovs_vswitchd`. It is given back, should it have
    /// been free (RFC 7047, section 4.1.10). The connection cannot be used afterwards.
    ///
    /// # Errors
    /// As [`Client::transact`].
    pub fn is_locked(mut self, name: &str) -> Result<bool, Error> {
        let deadline = Deadline::after(self.patience);
        let id = self.send([("lock", vec![json!(name)])], deadline)?;
        let answer = self.answer(id, deadline)?;
        match answer.get("locked").and_then(Value::as_bool) {
            Some(true) => {
                // Closing the connection gives it back as well, but nobody knows when: the next to ask would find it held.
                let id = self.send([("unlock", vec![json!(name)])], deadline)?;
                self.answer(id, deadline).map(|_| false)
            }
            Some(false) => Ok(true),
            None => Err(self.nonsense("its answer to \"lock\" does not say \"locked\"")),
        }
    }

    /// Sends calls in one write, and returns the number of the last.
    fn send<const N: usize>(&mut self, calls: [(&str, Vec<Value>); N], deadline: Deadline) -> Result<u64, Error> {
        let mut text = Vec::new();
        for (method, parameters) in calls {
            self.last_id += 1;
            let call = json!({"id": self.last_id, "method": method, "params": parameters});
            serde_json::to_writer(&mut text, &call).map_err(|error| self.nonsense(&error.to_string()))?;
        }
        self.write(&text, deadline)?;
        Ok(self.last_id)
    }

    fn write(&mut self, text: &[u8], deadline: Deadline) -> Result<(), Error> {
        if self.is_cut {
            return Err(self.broken(io::ErrorKind::NotConnected.into(), deadline));
        }
        self.stream.send(text, deadline.until).map_err(|source| {
            self.is_cut = true;
            self.broken(source, deadline)
        })
    }

    /// The results of a transaction of `count` operations.
    fn results(&mut self, id: u64, count: usize, deadline: Deadline) -> Result<Results, Error> {
        let Value::Array(results) = self.answer(id, deadline)? else {
            return Err(self.nonsense("its answer to \"transact\" is no list"));
        };
        match refusal(&results) {
            Some((place, words)) if words.starts_with("timed out") => {
                Err(Error::TimedOut { remote: self.remote.to_string(), place })
            }
            Some((_, reason)) => Err(Error::Refused { remote: self.remote.to_string(), reason }),
            None if results.len() != count || !results.iter().all(Value::is_object) => {
                Err(self.nonsense("its answer to \"transact\" does not say what became of each operation"))
            }
            None => Ok(Results(results)),
        }
    }

    /// Waits for the answer to a call, and answers questions whether this end is still there meanwhile (RFC 7047, section 4.1.11).
    fn answer(&mut self, id: u64, deadline: Deadline) -> Result<Value, Error> {
        loop {
            if let Some(mut answer) = self.early.remove(&id) {
                return match answer.remove("error").filter(|error| !error.is_null()) {
                    Some(error) => Err(Error::Refused { remote: self.remote.to_string(), reason: words(&error) }),
                    None => Ok(answer.remove("result").unwrap_or_default()),
                };
            }
            let message = self.receive(deadline)?;
            if let Some(method) = message.get("method") {
                if method == "echo" {
                    let answer = json!({"id": message.get("id"), "result": message.get("params"), "error": null});
                    self.write(answer.to_string().as_bytes(), deadline)?;
                }
                continue;
            }
            match message.get("id").and_then(Value::as_u64) {
                Some(answered) if (id..=self.last_id).contains(&answered) => drop(self.early.insert(answered, message)),
                // One that was not waited for any longer.
                Some(answered) if (1..id).contains(&answered) => {}
                _ => return Err(self.nonsense("what it sends is neither a call nor an answer to one")),
            }
        }
    }

    fn receive(&mut self, deadline: Deadline) -> Result<Map<String, Value>, Error> {
        loop {
            match self.scanner.end(&self.buffer) {
                Err(reason) => return Err(self.nonsense(reason)),
                Ok(Some(end)) => {
                    let message = self.buffer.get(..end).map(serde_json::from_slice);
                    self.buffer.drain(..end);
                    return message
                        .unwrap_or_else(|| Ok(Map::new()))
                        .map_err(|error| self.nonsense(&error.to_string()));
                }
                Ok(None) => {}
            }
            let begin = self.buffer.len();
            self.buffer.resize(begin + begin.clamp(*PIECE_BYTES.start(), *PIECE_BYTES.end()), 0);
            let received = self.stream.receive(self.buffer.get_mut(begin..).unwrap_or_default(), deadline.until);
            self.buffer.truncate(begin + received.as_ref().map_or(0, |count| *count));
            match received {
                Ok(0) => return Err(self.broken(io::ErrorKind::UnexpectedEof.into(), deadline)),
                Ok(_) => {}
                Err(source) => return Err(self.broken(source, deadline)),
            }
        }
    }

    fn broken(&self, source: io::Error, deadline: Deadline) -> Error {
        let remote = self.remote.to_string();
        match source.kind() {
            io::ErrorKind::TimedOut => Error::Silent { remote, patience: deadline.patience },
            io::ErrorKind::UnexpectedEof => {
                Error::Broken { remote, source: io::Error::new(source.kind(), "it closed the connection") }
            }
            _ => match distrust(&source) {
                Some(reason) => Error::Distrust { remote, reason },
                None => Error::Broken { remote, source },
            },
        }
    }

    fn nonsense(&self, reason: &str) -> Error {
        Error::Nonsense { remote: self.remote.to_string(), reason: reason.to_owned() }
    }
}

fn unconnected(remote: &Remote, patience: Duration, source: io::Error) -> Error {
    let (remote, kind) = (remote.to_string(), source.kind());
    match distrust(&source) {
        Some(reason) => Error::Distrust { remote, reason },
        // The system's own words for it do not say how long that was.
        None if kind == io::ErrorKind::TimedOut && source.get_ref().is_none() => {
            let words = format!("it did not answer within {} ms", patience.as_millis());
            Error::Connect { remote, source: io::Error::new(kind, words) }
        }
        None => Error::Connect { remote, source },
    }
}

/// Why one of the two ends does not trust the other, if that is what went wrong.
fn distrust(source: &io::Error) -> Option<String> {
    source.get_ref()?.downcast_ref().map(|Distrust(reason)| reason.clone())
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
