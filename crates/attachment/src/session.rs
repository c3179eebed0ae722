//! One call's work on an attachment: its channels to objects, what is queued, what was made, and what is locked.

use std::any::Any;
use std::net::IpAddr;
use std::rc::Rc;

use ipnetwork::IpNetwork;
use netlink::link::{self, Link};
use netlink::rule::Rule;
use netlink::{Namespace, Request, Socket, address};

use crate::ordered::ordered;
use crate::{Device, Error, Side};

mod channel;
mod end;
mod listed;
mod lock;
mod note;
mod step;

pub use channel::Channel;
use channel::PacketFilter;
use end::End;
use listed::Listed;
pub(crate) use listed::{Addresses, Routes};
pub use lock::{Lock, Mode};
pub use note::Note;
pub use step::Step;
use step::{Reading, Refusal};

/// Takes back a change.
type TakeBack = Box<dyn FnOnce(&mut Session) -> Result<(), Error>>;

/// Says whether a refusal with this error number is one, and may do the rest.
type Examination = (i32, Box<dyn FnOnce(&mut Session) -> Result<(), Error>>);

/// A step of rtnetlink.
struct Queued {
    /// The place of its object in the description.
    place: usize,
    step: Step,
    examination: Option<Examination>,
}

/// What becomes of the answer to a step: its place, how it is read, and what looks into a refusal.
type Sent = (usize, Reading, Option<Examination>);

/// Whether anybody uses something.
type IsUsed = Box<dyn FnOnce(&mut Session) -> Result<bool, Error>>;

/// What is to be undone when a later part fails.
pub(crate) enum Undo {
    /// The object at this place of the description has been made.
    Made,
    /// A change has been begun.
    TakeBack(TakeBack),
    /// A change of something that others use as well has been begun.
    GiveBack(IsUsed, TakeBack),
}

/// Both sides of an attachment, and whatever else its objects live in.
pub struct Session {
    host: End,
    container: Option<End>,
    /// The host that the session's stands in for.
    original: Option<Namespace>,
    channels: Vec<Box<dyn Channel>>,
    /// Steps of rtnetlink.
    queue: Vec<Queued>,
    current: usize,
    undo: Vec<(usize, Undo)>,
    lock: Option<(Mode, Lock)>,
    notes: Vec<Note>,
    tell: Option<fn(&Note)>,
    /// All links of the host, once they have been listed.
    links: Option<Vec<Link>>,
    listed: Listed,
    /// The session only looks, for printing; nothing is changed.
    is_looking: bool,
    /// Links of the host that count as gone, because commands that remove them have been printed. Elements of the packet filter
    /// have an entry, too, under a name that no link has.
    gone: Vec<String>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("queue", &self.queue.iter().map(|queued| &queued.step).collect::<Vec<_>>())
            .field("channels", &self.channels.len())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Opens nothing yet. `container` is `None` where its namespace is gone.
    #[must_use]
    pub fn new(container: Option<Namespace>) -> Self {
        Self {
            host: End::new(None),
            original: None,
            container: container.map(|namespace| End::new(Some(namespace))),
            channels: Vec::new(),
            queue: Vec::new(),
            current: 0,
            undo: Vec::new(),
            lock: None,
            notes: Vec::new(),
            tell: None,
            links: None,
            listed: Listed::default(),
            is_looking: false,
            gone: Vec::new(),
        }
    }

    /// A session on a host that stands in for another one, to see what can be made there.
    #[must_use]
    pub fn rehearsing(container: Namespace, original: Namespace) -> Self {
        Self { original: Some(original), ..Self::new(Some(container)) }
    }

    /// Runs `work` with the thread in the namespace of the host that the session's stands in for, if it does.
    ///
    /// # Errors
    /// The namespace cannot be entered.
    pub(crate) fn within_original<T>(&self, work: impl FnOnce() -> T) -> Result<Option<T>, Error> {
        self.original.as_ref().map(|namespace| namespace.within(work)).transpose().map_err(Error::Namespace)
    }

    /// The same session, whose notes are told as they come, and not only when it has ended: it may wait for something.
    #[must_use]
    pub fn telling(mut self, tell: fn(&Note)) -> Self {
        self.tell = Some(tell);
        self
    }

    /// A session that changes nothing and takes no lock: what would be done is printed. Without `container`, the container has no
    /// links yet as far as can be seen. Of the host's links those named in `gone` count as gone.
    #[must_use]
    pub fn looking(container: Option<Namespace>, gone: Vec<String>) -> Self {
        Self { is_looking: true, gone, ..Self::new(container) }
    }

    /// Nothing is changed here; see [`Session::looking`].
    #[must_use]
    pub fn is_looking(&self) -> bool {
        self.is_looking
    }

    /// The commands that remove this link of the host have been printed: from here on it counts as gone.
    pub fn count_as_gone(&mut self, name: impl Into<String>) {
        self.gone.push(name.into());
    }

    /// The links of the host that count as gone.
    #[must_use]
    pub fn gone(&self) -> &[String] {
        &self.gone
    }

    /// A session that only looks takes it for absent, without asking.
    fn is_absent(&self, device: &Device) -> bool {
        self.is_looking
            && match device.side {
                Side::Host => self.gone.contains(&device.name),
                Side::Container => self.container.is_none(),
            }
    }

    fn refuse_change(&self) -> Result<(), Error> {
        match self.is_looking {
            true => Err(Error::Invalid(
                "nothing may be changed while commands are printed (a bug in the plugin)".to_owned(),
            )),
            false => Ok(()),
        }
    }

    fn end(&mut self, side: Side) -> Result<&mut End, Error> {
        match side {
            Side::Host => Ok(&mut self.host),
            Side::Container => self.container.as_mut().ok_or_else(no_container),
        }
    }

    /// The container's namespace is there.
    #[must_use]
    pub fn has_container(&self) -> bool {
        self.container.is_some()
    }

    /// The container's namespace.
    ///
    /// # Errors
    /// [`Error::Missing`] when it is gone.
    pub fn container(&self) -> Result<&Namespace, Error> {
        self.container.as_ref().and_then(|end| end.namespace.as_ref()).ok_or_else(no_container)
    }

    /// The socket of one side, after everything queued has been sent.
    ///
    /// # Errors
    /// Those of [`Session::flush`], or that the socket cannot be opened.
    pub fn socket(&mut self, side: Side) -> Result<&mut Socket, Error> {
        self.flush()?;
        self.end(side)?.socket()
    }

    /// The channel of this type, opened when it is first asked for. What is queued stays so.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn channel<C: Channel, E>(&mut self, open: impl FnOnce() -> Result<C, E>) -> Result<&mut C, E> {
        if !self.channels.iter().any(|channel| (channel.as_ref() as &dyn Any).is::<C>()) {
            self.channels.push(Box::new(open()?));
        }
        let mut all = self.channels.iter_mut();
        let Some(found) = all.find_map(|channel| (channel.as_mut() as &mut dyn Any).downcast_mut()) else {
            unreachable!("it has just been opened")
        };
        Ok(found)
    }

    /// The socket of the host's packet filter. What is queued stays so: the packet filter uses names, and needs no links.
    pub(crate) fn netfilter(&mut self) -> Result<&mut Socket, netlink::Error> {
        self.channel(PacketFilter::open).map(|filter| &mut filter.0)
    }

    /// Runs `work` with the thread in the namespace of one side, after everything queued has been sent.
    ///
    /// # Errors
    /// Those of [`Session::flush`], or that the namespace cannot be entered.
    pub fn within<T>(&mut self, side: Side, work: impl FnOnce() -> T) -> Result<T, Error> {
        self.flush()?;
        match &self.end(side)?.namespace {
            Some(namespace) => namespace.within(work).map_err(Error::Namespace),
            None => Ok(work()),
        }
    }

    /// Finds a link, after everything queued has been sent.
    ///
    /// # Errors
    /// What the kernel says other than that there is none.
    pub fn find(&mut self, device: &Device) -> Result<Option<Link>, Error> {
        if device.name.len() > link::NAME_BYTES {
            return Ok(None); // the kernel calls such a question malformed
        }
        if self.is_absent(device) {
            return Ok(None);
        }
        let found =
            link::find(self.socket(device.side)?, &device.name).map_err(Error::refused(format!("look up {device}")))?;
        let end = self.end(device.side)?;
        match &found {
            Some(link) => end.remember(link),
            None => end.forget(&device.name),
        }
        Ok(found)
    }

    /// What was seen of a link counts no more: it has been moved.
    pub(crate) fn forget_link(&mut self, device: &Device) {
        if let Ok(end) = self.end(device.side) {
            end.forget(&device.name);
        }
    }

    /// Finds a link by its index, after everything queued has been sent.
    ///
    /// # Errors
    /// What the kernel says other than that there is none.
    pub fn find_index(&mut self, side: Side, index: u32) -> Result<Option<Link>, Error> {
        let found =
            link::find_index(self.socket(side)?, index).map_err(Error::refused(format!("look up link {index}")))?;
        if let Some(link) = &found {
            self.end(side)?.remember(link);
        }
        Ok(found)
    }

    /// The host's end of the veth whose other end is the container's link `inside`, after everything queued has been sent. A
    /// container can make a link with any indices; that it is in the container's namespace is the host's own word.
    ///
    /// # Errors
    /// What the kernel says other than that there is none.
    pub fn find_other_end(&mut self, inside: &Link) -> Result<Option<Link>, Error> {
        self.flush()?;
        let namespace = self.container.as_ref().and_then(|end| end.namespace.as_ref()).ok_or_else(no_container)?;
        let found = link::find_other_end(self.host.socket()?, inside, namespace)
            .map_err(Error::refused(format!("look up the other end of {}", Device::container(&inside.name))))?;
        let found = found.filter(|link| !self.gone.contains(&link.name));
        if let Some(link) = &found {
            self.host.remember(link);
        }
        Ok(found)
    }

    /// Whether the host's link `near` is the other end of the container's link `far`.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub(crate) fn is_pair(&mut self, near: &Link, far: &Link) -> Result<bool, Error> {
        self.flush()?;
        let namespace = self.container.as_ref().and_then(|end| end.namespace.as_ref()).ok_or_else(no_container)?;
        link::is_pair(self.host.socket()?, near, far, namespace)
            .map_err(Error::refused(format!("look up the other end of {}", near.name)))
    }

    /// A link as it was when it was last looked up, or as it is now. Its index, kind and place hold; its state may have changed
    /// since.
    ///
    /// # Errors
    /// What the kernel says other than that there is none.
    pub fn known(&mut self, device: &Device) -> Result<Option<Link>, Error> {
        if self.is_absent(device) {
            return Ok(None);
        }
        match self.end(device.side)?.seen.iter().find(|link| link.name == device.name) {
            Some(link) => Ok(Some(link.clone())),
            None => self.find(device),
        }
    }

    /// A link as it was when it was last looked up, if it was; nobody is asked, and what is queued stays so.
    pub(crate) fn last_seen(&self, device: &Device) -> Option<&Link> {
        let end = match device.side {
            Side::Host => Some(&self.host),
            Side::Container => self.container.as_ref(),
        };
        end?.seen.iter().find(|link| link.name == device.name)
    }

    /// As [`Session::known`], by the link's index.
    ///
    /// # Errors
    /// What the kernel says other than that there is none.
    pub fn known_index(&mut self, side: Side, index: u32) -> Result<Option<Link>, Error> {
        match self.end(side)?.seen.iter().find(|link| link.index == index) {
            Some(link) => Ok(Some(link.clone())),
            None => self.find_index(side, index),
        }
    }

    /// The addresses of a link, after everything queued has been sent.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn addresses(&mut self, side: Side, index: u32) -> Result<Vec<IpNetwork>, Error> {
        address::list(self.socket(side)?, index).map_err(Error::refused(format!("list the addresses of link {index}")))
    }

    /// Whether an address is one of this host's, after everything queued has been sent.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn is_own(&mut self, address: IpAddr) -> Result<bool, Error> {
        netlink::route::is_local(self.socket(Side::Host)?, address)
            .map_err(Error::refused(format!("look up whether {address} is this host")))
    }

    /// The addresses of all links of a side, each with the index of its link, after everything queued has been sent.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn all_addresses(&mut self, side: Side) -> Result<Vec<(u32, IpNetwork)>, Error> {
        address::list_all(self.socket(side)?).map_err(Error::refused("list addresses"))
    }

    /// The index of a link that must be there.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn index(&mut self, device: &Device) -> Result<u32, Error> {
        let seen = &self.end(device.side)?.seen;
        if let Some(link) = seen.iter().find(|link| link.name == device.name) {
            return Ok(link.index);
        }
        self.find(device)?.map(|link| link.index).ok_or_else(|| Error::Missing(format!("link {device}")))
    }

    /// All links of the host, listed once. For GC alone: on a host with thousands of links a list takes a third of a second.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn host_links(&mut self) -> Result<Vec<Link>, Error> {
        if let Some(links) = &self.links {
            return Ok(links.clone());
        }
        let mut links = link::list(self.socket(Side::Host)?).map_err(Error::refused("list the links of the host"))?;
        links.retain(|link| !self.gone.contains(&link.name));
        Ok(self.links.insert(links).clone())
    }

    /// Removes something at once, after everything queued has been sent; what is not there is removed already.
    ///
    /// # Errors
    /// What the kernel says, with the `action` that it refused.
    pub fn remove(&mut self, side: Side, action: impl Into<String>, request: Request) -> Result<(), Error> {
        self.refuse_change()?;
        match self.socket(side)?.request(request) {
            Err(source) if !source.is_missing() => Err(Error::Refused { action: action.into(), source }),
            _ => Ok(()),
        }
    }

    /// Queues a step for the object at work.
    pub fn queue(&mut self, step: Step) {
        self.queue.push(Queued { place: self.current, step, examination: None });
    }

    /// Queues a step for the object at work of which `errno` does not say whether there is anything left to do: `examine` is called then,
    /// when all that goes out with the step has been answered, and may do the rest.
    pub fn queue_examined(
        &mut self,
        step: Step,
        errno: i32,
        examine: impl FnOnce(&mut Self) -> Result<(), Error> + 'static,
    ) {
        self.queue.push(Queued { place: self.current, step, examination: Some((errno, Box::new(examine))) });
    }

    /// Makes the object at work at once, by whatever channel. From then on it is undone when a later part fails.
    ///
    /// # Errors
    /// Those of `work`, which has left nothing behind then, unless the kernel's answer was lost: then it counts as made.
    pub fn make<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let made = work(self);
        if made.as_ref().map_or_else(Error::is_unanswered, |_| true) {
            self.undo.push((self.current, Undo::Made));
        }
        made
    }

    /// How to take back what the object at work is about to change.
    pub fn on_undo(&mut self, take_back: impl FnOnce(&mut Self) -> Result<(), Error> + 'static) {
        self.undo.push((self.current, Undo::TakeBack(Box::new(take_back))));
    }

    /// How to take back what the object at work is about to change on something that was there before and that others may use:
    /// at the end of the undoing, and only if it is not used then, because whoever has come meanwhile may rely on it.
    pub fn on_undo_unless(
        &mut self,
        is_used: impl FnOnce(&mut Self) -> Result<bool, Error> + 'static,
        take_back: impl FnOnce(&mut Self) -> Result<(), Error> + 'static,
    ) {
        self.undo.push((self.current, Undo::GiveBack(Box::new(is_used), Box::new(take_back))));
    }

    /// The place of the object at work in its description, for a channel that collects changes.
    #[must_use]
    pub fn place(&self) -> usize {
        self.current
    }

    /// Sends what is queued: the steps of rtnetlink, the host's first, those of one side in one go; then what the other channels
    /// have collected.
    ///
    /// # Errors
    /// The first that was refused. The kernel has tried the later steps of that side too.
    pub fn flush(&mut self) -> Result<(), Error> {
        if !self.queue.is_empty() {
            let (host, container) =
                std::mem::take(&mut self.queue).into_iter().partition(|queued| queued.step.side == Side::Host);
            let mut doubts = self.send(Side::Host, host)?;
            doubts.extend(self.send(Side::Container, container)?);
            self.examine(doubts)?;
        }
        for channel in &mut self.channels {
            let mut made = Vec::new();
            let flushed = channel.flush(&mut made);
            self.undo.extend(made.into_iter().map(|place| (place, Undo::Made)));
            flushed?;
        }
        Ok(())
    }

    /// Looks at what was refused and may be as it should all the same, each for the object that the step was of.
    fn examine(&mut self, doubts: Vec<(usize, Examination)>) -> Result<(), Error> {
        if doubts.is_empty() {
            return Ok(());
        }
        self.forget_listed();
        let current = self.current;
        let examined = doubts.into_iter().try_for_each(|(place, (_, examine))| {
            self.current = place;
            examine(self)
        });
        self.current = current;
        examined
    }

    /// Sends steps of one side. What comes back are refusals that are still to be looked at.
    fn send(&mut self, side: Side, steps: Vec<Queued>) -> Result<Vec<(usize, Examination)>, Error> {
        let mut doubts = Vec::new();
        if steps.is_empty() {
            return Ok(doubts);
        }
        self.refuse_change()?;
        let (requests, readings): (Vec<Request>, Vec<Sent>) = steps
            .into_iter()
            .map(|Queued { place, step, examination }| {
                let (request, reading) = step.split();
                (request, (place, reading, examination))
            })
            .unzip();
        let answers = match self.end(side)?.socket()?.batch(requests) {
            Ok(answers) => answers,
            Err(source) => {
                // The kernel may have done all of it.
                let made = readings.iter().filter(|(_, reading, _)| reading.makes && source.is_unanswered());
                self.undo.extend(made.map(|(place, ..)| (*place, Undo::Made)));
                return Err(Error::Refused { action: "talk to the kernel".to_owned(), source });
            }
        };
        let mut refused = None;
        for ((place, reading, examination), answer) in readings.into_iter().zip(answers) {
            match answer {
                Ok(_) if reading.makes => self.undo.push((place, Undo::Made)),
                Ok(_) => {}
                Err(source) if examination.as_ref().is_some_and(|(errno, _)| source.errno() == Some(*errno)) => {
                    doubts.extend(examination.map(|examination| (place, examination)));
                }
                Err(source) => match reading.refusal(source) {
                    Refusal::Tolerated => {}
                    Refusal::Noted(note) => self.note(note),
                    Refusal::Failed(error) => refused = refused.or(Some(error)),
                },
            }
        }
        refused.map_or(Ok(doubts), Err)
    }

    /// Notes something for the caller of the session.
    pub fn note(&mut self, note: Note) {
        match self.tell {
            Some(tell) => tell(&note),
            None => self.notes.push(note),
        }
    }

    /// What was noted since the last time and has not been told.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Drops what is queued or collected and was not sent.
    pub(crate) fn forget_unsent(&mut self) {
        self.queue.clear();
        self.channels.iter_mut().for_each(|channel| channel.forget());
    }

    /// Sends what channels have collected, if they have: what comes next is of a later stage.
    pub(crate) fn end_stage(&mut self) -> Result<(), Error> {
        if self.channels.iter().any(|channel| channel.holds_something()) { self.flush() } else { Ok(()) }
    }

    /// What follows is for the object at this place of the description.
    pub(crate) fn work_on(&mut self, place: usize) {
        self.current = place;
    }

    /// What is to be undone: of the last place first, and of one place the last first.
    pub(crate) fn take_undo(&mut self) -> Vec<(usize, Undo)> {
        let mut undo = std::mem::take(&mut self.undo);
        undo.reverse();
        ordered(undo, |(place, _)| std::cmp::Reverse(*place))
    }

    /// The routes of the device's side, each with the link that it goes through, as they were when they were first asked for since
    /// [`Session::forget_listed`]: to list thousands for each of them takes minutes.
    pub(crate) fn routes(&mut self, device: &Device) -> Result<Routes, Error> {
        let side = device.side;
        if let Some((_, routes)) = self.listed.routes.as_ref().filter(|(known, _)| *known == side) {
            return Ok(Rc::clone(routes));
        }
        let listed = netlink::route::list(self.socket(side)?);
        let listed = listed.map_err(Error::refused(format!("list the routes of {device}")))?;
        let routes: Routes = listed.into();
        self.listed.routes = Some((side, Rc::clone(&routes)));
        Ok(routes)
    }

    /// The addresses of a side's links, each with the index of its link, as [`Session::routes`] are.
    pub(crate) fn listed_addresses(&mut self, side: Side) -> Result<Addresses, Error> {
        if let Some((_, addresses)) = self.listed.addresses.as_ref().filter(|(known, _)| *known == side) {
            return Ok(Rc::clone(addresses));
        }
        let addresses: Addresses = Rc::new(self.all_addresses(side)?.into_iter().collect());
        self.listed.addresses = Some((side, Rc::clone(&addresses)));
        Ok(addresses)
    }

    /// The container's rules of policy routing, as [`Session::routes`] are.
    pub(crate) fn listed_rules(&mut self) -> Result<Rc<[Rule]>, Error> {
        if let Some(rules) = &self.listed.rules {
            return Ok(Rc::clone(rules));
        }
        let listed = netlink::rule::list(self.socket(Side::Container)?);
        let rules: Rc<[Rule]> = listed.map_err(Error::refused("list the rules of the container"))?.into();
        Ok(Rc::clone(self.listed.rules.insert(rules)))
    }

    /// Routes, addresses and rules may have changed.
    pub(crate) fn forget_listed(&mut self) {
        self.listed = Listed::default();
    }

    /// Runs `work` with the lock for what the host's attachments share, which is free again at its end, however it ends. Within
    /// it, `Session::exclude` keeps others out altogether.
    ///
    /// No delegate is waited for in it, and CHECK does without.
    ///
    /// # Errors
    /// Those of `work`; the lock cannot be taken.
    pub fn sharing<T, E: From<Error>>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        self.scope(Mode::Shared, work)
    }

    /// Like [`Session::sharing`], but exclusive.
    ///
    /// # Errors
    /// Those of `work`; the lock cannot be taken.
    pub(crate) fn excluding<T, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.scope(Mode::Exclusive, work)
    }

    /// Like [`Session::excluding`], for a removal: where the lock cannot be made, on a file system that is read-only or full, nobody
    /// can make or begin to use anything either.
    ///
    /// # Errors
    /// Those of `work`; what is queued cannot be sent.
    pub(crate) fn excluding_if_possible<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let is_outermost = self.lock.is_none();
        match self.exclude() {
            Err(Error::System { .. }) => self.host.seen.clear(),
            excluded => excluded?,
        }
        let done = work(self);
        if is_outermost {
            self.lock = None;
        }
        done
    }

    /// The outermost scope ends what an inner one has begun.
    fn scope<T, E: From<Error>>(&mut self, mode: Mode, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let is_outermost = self.lock.is_none();
        match mode {
            Mode::Exclusive => self.exclude()?,
            Mode::Shared if is_outermost => self.take(mode)?,
            Mode::Shared => {}
        }
        let done = work(self);
        if is_outermost {
            self.lock = None;
        }
        done
    }

    /// Within [`Session::sharing`]: from here to its end nobody else is in such a scope.
    pub(crate) fn exclude(&mut self) -> Result<(), Error> {
        match self.lock {
            Some((Mode::Exclusive, _)) => Ok(()),
            _ => self.take(Mode::Exclusive),
        }
    }

    /// Others may have changed links since, so what was seen of the host's is forgotten.
    fn take(&mut self, mode: Mode) -> Result<(), Error> {
        self.flush()?;
        if self.is_looking {
            return Ok(()); // the lock is root's, and what is printed may have changed when somebody reads it
        }
        self.lock = None; // a second descriptor of ours would wait for the first
        self.lock = Some((mode, Lock::of_host(mode)?));
        self.host.seen.clear();
        self.channels.iter_mut().for_each(|channel| channel.renew());
        Ok(())
    }
}

fn no_container() -> Error {
    Error::Missing("the container's namespace".to_owned())
}
