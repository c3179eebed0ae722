//! A device whose both directions are shaped.

use netlink::qdisc;

use super::live_queues::LiveQueues;
use super::{Ifb, LinkQdisc, LinkUp, Redirect};
use crate::{Device, Difference, Error, Kind, Object, Session, Side, Stage};

/// What an object consists of.
type Parts = Vec<Box<dyn Object>>;

/// The queues of a device: what it sends waits in its own; what it receives is sent through an ifb first, and waits there. Each
/// list goes from the root down, and may be empty. It is removed, changed and compared as a whole, and made and undone part by
/// part.
#[derive(Debug, Clone)]
pub struct ShapedDevice {
    /// The device.
    pub device: Device,
    /// The ifb for what it receives, on the same side. It is there while there is a queue for that.
    pub ifb: Ifb,
    /// The handles that distinguish our queues from others'.
    pub handles: Vec<u16>,
    /// The queues of what it sends.
    pub sent: Vec<qdisc::Qdisc>,
    /// The queues of what it receives.
    pub received: Vec<qdisc::Qdisc>,
}

impl ShapedDevice {
    fn redirect(&self) -> Redirect {
        Redirect { from: self.device.clone(), to: self.ifb.device() }
    }

    /// The ifb, ready to be sent to.
    fn on_ifb(&self, received: &[qdisc::Qdisc]) -> Parts {
        let device = self.ifb.device();
        let mut parts: Parts = vec![object(self.ifb.clone())];
        parts.extend(hung_on(&device, received));
        parts.push(object(LinkUp { device }));
        parts
    }

    /// What the ifb sends through, if all of what leads there is there.
    fn look_at_received(&self, session: &mut Session) -> Result<Option<LiveQueues>, Error> {
        let redirect = self.redirect();
        let up = LinkUp { device: self.ifb.device() };
        let whole: [&dyn Object; 3] = [&redirect, &self.ifb, &up];
        for object in whole {
            if !object.differences(session)?.is_empty() {
                return Ok(None);
            }
        }
        LiveQueues::look(&up.device, &self.handles, session).map(Some)
    }

    /// The ifb is complete before anything is sent there. What a call that was killed has left of it is made anew.
    fn begin_receiving(&self, session: &mut Session, sent: &mut LiveQueues) -> Result<(), Error> {
        self.stop_receiving(session)?;
        let redirect = self.redirect();
        redirect.refuse_existing(session)?;
        self.ifb.refuse_existing(session)?;
        create_all(session, &self.on_ifb(&self.received))?;
        // The ingress queue comes, and the kernel empties the device's others.
        sent.drain(session)?;
        redirect.create(session)?;
        session.flush()
    }

    /// Takes away what leads to the ifb, and the ifb.
    fn stop_receiving(&self, session: &mut Session) -> Result<(), Error> {
        self.redirect().remove(session)?;
        self.ifb.undo(session)?;
        session.find(&self.ifb.device())?; // it is not there any more: its index does not count
        Ok(())
    }

    /// What the device receives goes through the queues from before. Where they are gone they are made anew, in which deviations
    /// of a delay are all alike: the kernel had not shown their table.
    fn receive_again(&self, session: &mut Session, before: &LiveQueues) -> Result<(), Error> {
        let redirect = self.redirect();
        if redirect.differences(session)?.is_empty() {
            return before.restore(session);
        }
        self.stop_receiving(session)?;
        let made = create_all(session, &self.on_ifb(before.before()))
            .and_then(|()| redirect.create(session))
            .and_then(|()| session.flush());
        made.inspect_err(|_| {
            session.forget_unsent();
            let _ = self.stop_receiving(session);
        })
    }
}

impl Object for ShapedDevice {
    /// The ifb alone may be left behind.
    fn kind(&self) -> &'static Kind {
        self.ifb.kind()
    }

    fn stage(&self) -> Stage {
        Stage::Port
    }

    /// What leads to the ifb comes first and goes last: for a DEL without a result it is the only sign of whose a device is that
    /// another party has made.
    fn parts(&self) -> Parts {
        let mut parts = Parts::new();
        if !self.received.is_empty() {
            parts.extend(self.on_ifb(&self.received));
            parts.push(object(self.redirect()));
        }
        parts.extend(hung_on(&self.device, &self.sent));
        parts
    }

    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        hung_on(&self.device, &self.sent).iter().try_for_each(|queue| queue.refuse_existing(session))?;
        if self.received.is_empty() {
            return Ok(());
        }
        self.redirect().refuse_existing(session)?;
        self.ifb.refuse_existing(session)
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        create_all(session, &self.parts())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let mut all = Vec::new();
        for part in self.parts() {
            all.extend(part.differences(session)?);
        }
        Ok(all)
    }

    fn refuse_update(&self, session: &mut Session) -> Result<(), Error> {
        LiveQueues::look(&self.device, &self.handles, session)?.refuse_other(&self.sent)?;
        match self.look_at_received(session)? {
            Some(received) => received.refuse_other(&self.received),
            None => Ok(()),
        }
    }

    fn update(&self, session: &mut Session) -> Result<(), Error> {
        let mut sent = LiveQueues::look(&self.device, &self.handles, session)?;
        let mut received = self.look_at_received(session)?;
        let before = sent.clone();
        session.on_undo(move |session| before.restore(session));
        let (this, before) = (self.clone(), received.clone());
        session.on_undo(move |session| match &before {
            None => this.stop_receiving(session),
            Some(before) => this.receive_again(session, before),
        });
        match (&mut received, self.received.is_empty()) {
            (Some(received), false) => received.set(session, &self.received)?,
            (None, true) => self.stop_receiving(session)?,
            (None, false) => self.begin_receiving(session, &mut sent)?,
            (Some(received), true) => {
                received.drain(session)?;
                // The ingress queue goes, and the kernel empties the device's others.
                sent.drain(session)?;
                self.stop_receiving(session)?;
            }
        }
        sent.set(session, &self.sent)
    }

    /// Whatever the limits were: the redirection, the ifb, and any queue of these handles at the root of the device. What hangs
    /// below goes with it.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let queues = LiveQueues::look_if_there(&self.device, &self.handles, session)
            .and_then(|queues| queues.map_or(Ok(()), |queues| queues.remove(session)));
        let redirected = self.redirect().remove(session);
        let ifb = self.ifb.undo(session);
        queues.and(redirected).and(ifb)
    }

    /// Its parts are undone by themselves, and a change by what it told before.
    fn undo(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        self.parts().iter().flat_map(|part| part.commands()).collect()
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        if self.device.side == Side::Container && !session.has_container() {
            return Ok(Vec::new()); // it has gone with its namespace, or nobody may look
        }
        let mut commands = self.redirect().removal_commands(session)?;
        let hooks = commands.clone();
        let of_ifb = self.ifb.removal_commands(session)?;
        commands.extend(of_ifb.into_iter().filter(|command| !hooks.contains(command)));
        let queues = LiveQueues::look_if_there(&self.device, &self.handles, session)?;
        commands.extend(queues.iter().flat_map(LiveQueues::removal_commands));
        Ok(commands)
    }
}

fn object(object: impl Object + 'static) -> Box<dyn Object> {
    Box::new(object)
}

fn hung_on(device: &Device, queues: &[qdisc::Qdisc]) -> Parts {
    queues.iter().map(|qdisc| object(LinkQdisc { device: device.clone(), qdisc: qdisc.clone() })).collect()
}

fn create_all(session: &mut Session, parts: &[Box<dyn Object>]) -> Result<(), Error> {
    parts.iter().try_for_each(|part| part.create(session))
}
