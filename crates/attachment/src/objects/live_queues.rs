//! Changing the queues of a device while packets pass through them.
//!
//! A queue that keeps its place, handle and kind is changed where it is, and so is what hangs below netem: no packet is lost.
//! When the root is exchanged, or an ingress queue is added or removed, the kernel takes every queue off the device for a
//! moment and empties it (`dev_deactivate` in `qdisc_graft`, `net/sched/sch_api.c`). Queues are drained before that, so that
//! only what arrives in that moment is lost.

use std::time::{Duration, Instant};
use std::{slice, thread};

use netlink::qdisc::{self, Kind, Netem, Parent, Tbf};

use super::LinkQdisc;
use crate::{Device, Error, Remedy, Session, Step};

/// How long to wait beyond the delay of the line that is to become empty.
const EXTRA: Duration = Duration::from_secs(1);

/// How long to wait at most. A line with more delay than that loses what is still on it.
const LIMIT: Duration = Duration::from_secs(10);

const PAUSE: Duration = Duration::from_millis(1);

/// The rate in bytes per second and the burst in bytes of a tbf that delays nothing: 400 Gbit/s.
const OPEN_RATE: u64 = 50_000_000_000;
const OPEN_BURST: u32 = 4 << 20;

/// The queues that a device sends through, as they were when they were read.
#[derive(Debug, Clone)]
pub(super) struct LiveQueues {
    device: Device,
    handles: Vec<u16>,
    /// The root and what hangs below it; empty where they are not ours.
    before: Vec<qdisc::Qdisc>,
    /// The root, if somebody else has made it.
    other: Option<qdisc::Qdisc>,
    /// They have been opened since.
    is_open: bool,
}

impl LiveQueues {
    /// Looks at the queues of a device. Those with one of these `handles` are ours.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub(super) fn look(device: &Device, handles: &[u16], session: &mut Session) -> Result<Self, Error> {
        let index = session.index(device)?;
        let all = qdisc::list(session.socket(device.side)?, index)
            .map_err(Error::refused(format!("list the queues of {device}")))?;
        let is_ours = |queue: &&qdisc::Qdisc| handles.contains(&queue.handle) && !matches!(queue.kind, Kind::Other(_));
        let (mut before, mut other) = (Vec::new(), None);
        match all.iter().find(|queue| queue.parent == Parent::Root && queue.handle != 0) {
            Some(root) if is_ours(&root) => {
                let below =
                    |queue: &&qdisc::Qdisc| matches!(queue.parent, Parent::Class(major, _) if major == root.handle);
                before.push(root.clone());
                before.extend(all.iter().filter(below).filter(is_ours).cloned());
            }
            root => other = root.cloned(),
        }
        Ok(Self { device: device.clone(), handles: handles.to_vec(), before, other, is_open: false })
    }

    /// As [`LiveQueues::look`]; `None` where the device is gone.
    pub(super) fn look_if_there(
        device: &Device,
        handles: &[u16],
        session: &mut Session,
    ) -> Result<Option<Self>, Error> {
        match session.find(device)? {
            Some(_) => Self::look(device, handles, session).map(Some),
            None => Ok(None),
        }
    }

    /// Removes the root of ours, and with it all that hangs below.
    pub(super) fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let Some(root) = self.before.first() else { return Ok(()) };
        let action = format!("remove qdisc {} {:x}: on {}", root.kind.name(), root.handle, self.device);
        let request = root.delete(session.index(&self.device)?).map_err(Error::refused(&action))?;
        session.remove(self.device.side, action, request)
    }

    /// The command of [`LiveQueues::remove`].
    pub(super) fn removal_commands(&self) -> Vec<String> {
        let Some(root) = self.before.first() else { return Vec::new() };
        let (tool, name) = (self.device.tool("tc"), &self.device.name);
        vec![format!("{tool} qdisc del dev {name} root handle {:x}:", root.handle)]
    }

    /// The queues as they were, the root first; without netem's table, which the kernel does not show.
    pub(super) fn before(&self) -> &[qdisc::Qdisc] {
        &self.before
    }

    /// Refuses to make these queues if a foreign one is at the root.
    ///
    /// # Errors
    /// [`Error::Conflict`] with what is there.
    pub(super) fn refuse_other(&self, want: &[qdisc::Qdisc]) -> Result<(), Error> {
        let Some(root) = self.other.as_ref().filter(|_| !want.is_empty()) else { return Ok(()) };
        Err(Error::Conflict {
            object: self.device.to_string(),
            want: "a shaper's queues there".to_owned(),
            have: format!("has the queueing discipline {} {:x}: already", root.kind.name(), root.handle),
            remedy: Remedy::Act(format!(
                "an interface has one shaper in each direction: remove the other one (see `{} qdisc show dev {}`)",
                self.device.tool("tc"),
                self.device.name
            )),
        })
    }

    /// Opens the queues, so that they hold nothing back, and waits until nothing is left in them: as long as the line was,
    /// and at most 11 s. They stay open until [`LiveQueues::set`] or [`LiveQueues::restore`].
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn drain(&mut self, session: &mut Session) -> Result<(), Error> {
        if self.before.is_empty() {
            return Ok(());
        }
        self.is_open = true;
        let all: Vec<&qdisc::Qdisc> = self.before.iter().collect();
        self.open(&all, session)?;
        self.wait(session, |held| held.packets == 0, |_| false)
    }

    /// Makes the wanted queues: the root first, and what hangs below it.
    ///
    /// # Errors
    /// What the kernel refuses. Then [`LiveQueues::restore`] is due.
    pub(super) fn set(&mut self, session: &mut Session, want: &[qdisc::Qdisc]) -> Result<(), Error> {
        match (self.before.first(), want.first()) {
            (None, None) => {}
            (Some(have), Some(root)) if have.is_same(root) => self.change(session, want)?,
            _ => {
                if !self.is_open {
                    self.drain(session)?;
                }
                self.exchange(session, want)?;
            }
        }
        let index = session.index(&self.device)?;
        let objects = want.iter().map(|queue| LinkQdisc { device: self.device.clone(), qdisc: queue.clone() });
        objects.filter(|object| !object.is_all_known_to_all()).try_for_each(|object| object.confirm(index, session))
    }

    /// Restores the queues as they were when they were read, whatever has happened to them.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub(super) fn restore(&self, session: &mut Session) -> Result<(), Error> {
        let now = Self::look(&self.device, &self.handles, session)?;
        match (now.before.first(), self.before.first()) {
            (None, None) => Ok(()),
            (Some(have), Some(root)) if have.is_same(root) => {
                for extra in now.without(&self.before) {
                    self.send("take back", slice::from_ref(&extra), session, qdisc::Qdisc::delete)?;
                }
                let (there, missing): (Vec<_>, Vec<_>) =
                    self.before.iter().cloned().partition(|queue| now.counterpart(queue).is_some());
                self.send("change back", &there, session, qdisc::Qdisc::change_back)?;
                self.send("add again", &missing, session, qdisc::Qdisc::add)
            }
            _ => now.exchange(session, &self.before),
        }
    }

    /// All in place. What may wait in a queue shrinks at the end, when what was on a longer or a faster line has passed.
    fn change(&self, session: &mut Session, want: &[qdisc::Qdisc]) -> Result<(), Error> {
        let (mut changed, mut added, mut shrinking) = (Vec::new(), Vec::new(), Vec::new());
        for queue in want {
            let Some(have) = self.counterpart(queue) else {
                added.push(queue.clone());
                continue;
            };
            let roomy = with_room_of(queue, have);
            if roomy != *queue {
                shrinking.push(queue.clone());
            }
            if self.is_open || !is_known_to_be(have, queue) {
                changed.push(roomy);
            }
        }
        self.send("change", &changed, session, qdisc::Qdisc::change)?;
        self.send("add", &added, session, qdisc::Qdisc::add)?;
        let extra = self.without(want);
        if !extra.is_empty() {
            self.open(&extra.iter().collect::<Vec<_>>(), session)?;
            let is_extra = |held: &qdisc::Held| extra.iter().any(|queue| queue.is_same(&held.qdisc));
            self.wait(session, |held| !is_extra(held) || held.packets == 0, |_| false)?;
            self.send("remove", &extra, session, qdisc::Qdisc::delete)?;
        }
        if shrinking.is_empty() {
            return Ok(());
        }
        let fits = |held: &qdisc::Held| {
            shrinking.iter().filter(|queue| queue.is_same(&held.qdisc)).all(|queue| is_half_empty(held, queue))
        };
        self.wait(session, |held| held.packets == 0, fits)?;
        self.send("change", &shrinking, session, qdisc::Qdisc::change)
    }

    /// Another root. With a handle of its own it takes the place of the old one in one step.
    fn exchange(&self, session: &mut Session, want: &[qdisc::Qdisc]) -> Result<(), Error> {
        let below = self.before.get(1..).unwrap_or_default();
        self.send("remove", below, session, qdisc::Qdisc::delete)?;
        let old = self.before.get(..1).unwrap_or_default();
        let Some((root, below)) = want.split_first() else {
            return self.send("remove", old, session, qdisc::Qdisc::delete);
        };
        let root = slice::from_ref(root);
        if old.iter().zip(root).any(|(old, root)| old.handle != root.handle) {
            self.send("exchange the root for", root, session, qdisc::Qdisc::replace)?;
        } else {
            self.send("remove", old, session, qdisc::Qdisc::delete)?;
            self.send("add", root, session, qdisc::Qdisc::add)?;
        }
        self.send("add", below, session, qdisc::Qdisc::add)
    }

    fn open(&self, queues: &[&qdisc::Qdisc], session: &mut Session) -> Result<(), Error> {
        let open: Vec<_> = queues.iter().map(|queue| opened(queue)).collect();
        self.send("open", &open, session, qdisc::Qdisc::change_back)
    }

    /// Sends one request for each queue, all in one go.
    fn send(
        &self,
        verb: &str,
        queues: &[qdisc::Qdisc],
        session: &mut Session,
        request: impl Fn(&qdisc::Qdisc, u32) -> Result<netlink::Request, netlink::Error>,
    ) -> Result<(), Error> {
        if queues.is_empty() {
            return Ok(());
        }
        let index = session.index(&self.device)?;
        for queue in queues {
            let action = format!("{verb} qdisc {} {:x}: on {}", queue.kind.name(), queue.handle, self.device);
            let request = request(queue, index).map_err(Error::refused(&action))?;
            let object = LinkQdisc { device: self.device.clone(), qdisc: queue.clone() };
            let step = Step::change(self.device.side, action, request);
            session.queue(step.explained(move |error| object.explain(error)));
        }
        session.flush()
    }

    /// Waits until what is held `is_done`, or, from the time on that the line was long, `is_good_enough`.
    fn wait(
        &self,
        session: &mut Session,
        is_done: impl Fn(&qdisc::Held) -> bool,
        is_good_enough: impl Fn(&qdisc::Held) -> bool,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let line = self.before.iter().map(longest_delay).max().unwrap_or_default().min(LIMIT);
        let index = session.index(&self.device)?;
        loop {
            let mut held = qdisc::held(session.socket(self.device.side)?, index)
                .map_err(Error::refused(format!("list the queues of {}", self.device)))?;
            held.retain(|held| self.handles.contains(&held.qdisc.handle));
            let waited = started.elapsed();
            if held.iter().all(&is_done)
                || (waited >= line && held.iter().all(&is_good_enough))
                || waited >= line + EXTRA
            {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
    }

    fn counterpart(&self, queue: &qdisc::Qdisc) -> Option<&qdisc::Qdisc> {
        self.before.iter().find(|have| have.is_same(queue))
    }

    /// Those that are not among the wanted.
    fn without(&self, want: &[qdisc::Qdisc]) -> Vec<qdisc::Qdisc> {
        self.before.iter().filter(|have| !want.iter().any(|queue| have.is_same(queue))).cloned().collect()
    }
}

/// Nothing would change. With jitter that cannot be known: the kernel does not show netem's table.
fn is_known_to_be(have: &qdisc::Qdisc, want: &qdisc::Qdisc) -> bool {
    let has_jitter = matches!(&want.kind, Kind::Netem(netem) if netem.jitter_ns != 0);
    !has_jitter && want.kind.is_met_by(&have.kind)
}

/// `want` with room for as much as `have` may hold.
fn with_room_of(want: &qdisc::Qdisc, have: &qdisc::Qdisc) -> qdisc::Qdisc {
    let kind = match (&want.kind, &have.kind) {
        (Kind::Netem(want), Kind::Netem(have)) => {
            Kind::Netem(Netem { limit_packets: want.limit_packets.max(have.limit_packets), ..want.clone() })
        }
        (Kind::Tbf(want), Kind::Tbf(have)) => {
            Kind::Tbf(Tbf { limit_bytes: want.limit_bytes.max(have.limit_bytes), ..*want })
        }
        (kind, _) => kind.clone(),
    };
    qdisc::Qdisc { kind, ..want.clone() }
}

/// What is held leaves room for as much again.
fn is_half_empty(held: &qdisc::Held, queue: &qdisc::Qdisc) -> bool {
    match &queue.kind {
        Kind::Netem(netem) => held.packets <= netem.limit_packets / 2,
        Kind::Tbf(tbf) => held.bytes <= tbf.limit_bytes / 2,
        Kind::Other(_) => true,
    }
}

/// The same queue with the same room, which holds nothing back.
fn opened(queue: &qdisc::Qdisc) -> qdisc::Qdisc {
    let kind = match &queue.kind {
        Kind::Netem(netem) => Kind::Netem(Netem { limit_packets: netem.limit_packets, ..Netem::default() }),
        Kind::Tbf(tbf) => Kind::Tbf(Tbf {
            rate_bytes_per_s: OPEN_RATE,
            burst_bytes: tbf.burst_bytes.max(OPEN_BURST),
            limit_bytes: tbf.limit_bytes,
        }),
        Kind::Other(name) => Kind::Other(name.clone()),
    };
    qdisc::Qdisc { kind, ..queue.clone() }
}

/// When the last packet leaves at the latest, near enough: four jitters late is what tables express.
fn longest_delay(queue: &qdisc::Qdisc) -> Duration {
    let Kind::Netem(netem) = &queue.kind else { return Duration::ZERO };
    let slot = netem.slot.map_or(0, |slot| slot.max_delay_ns);
    let late = netem.jitter_ns.saturating_mul(4).saturating_add(slot);
    Duration::from_nanos(netem.delay_ns.saturating_add(late))
}
