//! The kernel as the objects of one attachment see it: two namespaces, a queue of steps, and who holds the lock.

use netlink::link::{self, Link};
use netlink::{Namespace, Request, Socket};

use crate::lock::{Lock, Mode};
use crate::{Device, Error, Side};

/// A request with its reason.
#[derive(Debug)]
pub struct Step {
    /// Where.
    pub side: Side,
    /// What it does, as in "make veth pb3k…".
    pub action: String,
    /// The message.
    pub request: Request,
    /// It brings the object into being; when a later step fails, the object is removed.
    pub makes: bool,
    /// With these error numbers the kernel says that there is nothing to do, and nothing is ours to remove.
    pub tolerated: &'static [i32],
}

impl Step {
    /// A step that changes something.
    pub fn change(side: Side, action: impl Into<String>, request: Request) -> Self {
        Self { side, action: action.into(), request, makes: false, tolerated: &[] }
    }

    /// A step that makes the object.
    pub fn make(side: Side, action: impl Into<String>, request: Request) -> Self {
        Self { makes: true, ..Self::change(side, action, request) }
    }

    /// The same step, for which these error numbers mean that there is nothing to do.
    #[must_use]
    pub fn tolerating(mut self, errnos: &'static [i32]) -> Self {
        self.tolerated = errnos;
        self
    }
}

/// One namespace: its socket, opened when it is first needed, and the links that were looked up.
#[derive(Debug)]
struct End {
    namespace: Option<Namespace>,
    socket: Option<Socket>,
    seen: Vec<Link>,
}

impl End {
    fn socket(&mut self) -> Result<&mut Socket, Error> {
        if self.socket.is_none() {
            let opened = match &self.namespace {
                Some(namespace) => namespace.socket().map_err(Error::Namespace),
                None => Socket::open().map_err(Error::refused("open a netlink socket")),
            };
            self.socket = Some(opened?);
        }
        self.socket.as_mut().ok_or_else(|| Error::Missing("the socket".to_owned()))
    }
}

/// Both sides of an attachment, with what is queued for them.
#[derive(Debug)]
pub struct Kernel {
    host: End,
    container: Option<End>,
    /// The host's packet filter. What is removed through it is removed before links are: to close it waits until the kernel
    /// is done with what was removed, and the removal of a link takes longer.
    netfilter: Option<Socket>,
    queue: Vec<(usize, Step)>,
    current: usize,
    made: Vec<usize>,
    /// The object whose step the kernel refused last.
    refused: Option<usize>,
    lock: Option<(Mode, Lock)>,
}

impl Kernel {
    /// Opens nothing yet. `container` is `None` where its namespace is gone.
    #[must_use]
    pub fn new(container: Option<Namespace>) -> Self {
        let end = |namespace| End { namespace, socket: None, seen: Vec::new() };
        Self {
            host: end(None),
            container: container.map(|namespace| end(Some(namespace))),
            netfilter: None,
            queue: Vec::new(),
            current: 0,
            made: Vec::new(),
            refused: None,
            lock: None,
        }
    }

    fn end(&mut self, side: Side) -> Result<&mut End, Error> {
        match side {
            Side::Host => Ok(&mut self.host),
            Side::Container => {
                self.container.as_mut().ok_or_else(|| Error::Missing("the container's namespace".to_owned()))
            }
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
    /// [`Error::Invalid`] when it is gone.
    pub fn container(&self) -> Result<&Namespace, Error> {
        self.container
            .as_ref()
            .and_then(|end| end.namespace.as_ref())
            .ok_or_else(|| Error::Missing("the container's namespace".to_owned()))
    }

    /// The socket of one side, after everything queued has been sent.
    ///
    /// # Errors
    /// Those of [`Kernel::flush`], or that the socket cannot be opened.
    pub fn socket(&mut self, side: Side) -> Result<&mut Socket, Error> {
        self.flush()?;
        self.end(side)?.socket()
    }

    /// The socket of the host's packet filter. What is queued stays so: the packet filter goes by names, and needs no links.
    pub(crate) fn netfilter(&mut self) -> Result<&mut Socket, netlink::Error> {
        match &mut self.netfilter {
            Some(socket) => Ok(socket),
            none => Ok(none.insert(Socket::open_netfilter()?)),
        }
    }

    /// Runs `work` with the thread in the namespace of one side, after everything queued has been sent.
    ///
    /// # Errors
    /// Those of [`Kernel::flush`], or that the namespace cannot be entered.
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
        let found =
            link::find(self.socket(device.side)?, &device.name).map_err(Error::refused(format!("look up {device}")))?;
        match &found {
            Some(link) => self.remember(device.side, link)?,
            None => self.end(device.side)?.seen.retain(|link| link.name != device.name),
        }
        Ok(found)
    }

    /// Finds a link by its index, after everything queued has been sent.
    ///
    /// # Errors
    /// What the kernel says other than that there is none.
    pub fn find_index(&mut self, side: Side, index: u32) -> Result<Option<Link>, Error> {
        let found =
            link::find_index(self.socket(side)?, index).map_err(Error::refused(format!("look up link {index}")))?;
        if let Some(link) = &found {
            self.remember(side, link)?;
        }
        Ok(found)
    }

    fn remember(&mut self, side: Side, link: &Link) -> Result<(), Error> {
        let seen = &mut self.end(side)?.seen;
        seen.retain(|other| other.name != link.name);
        seen.push(link.clone());
        Ok(())
    }

    /// The index of a link that must be there.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn index(&mut self, device: &Device) -> Result<u32, Error> {
        if let Some(link) = self.seen(device)? {
            return Ok(link.index);
        }
        self.find(device)?.map(|link| link.index).ok_or_else(|| Error::Missing(format!("link {device}")))
    }

    /// A link as it was when it was last looked up, if it was. Its index holds; all else may have changed since.
    ///
    /// # Errors
    /// The container's namespace is gone.
    pub fn seen(&mut self, device: &Device) -> Result<Option<&Link>, Error> {
        Ok(self.end(device.side)?.seen.iter().find(|link| link.name == device.name))
    }

    /// A link as it was when it was last looked up, or as it is now.
    ///
    /// # Errors
    /// What the kernel says other than that there is none.
    pub(crate) fn known(&mut self, device: &Device) -> Result<Option<Link>, Error> {
        match self.seen(device)? {
            Some(link) => Ok(Some(link.clone())),
            None => self.find(device),
        }
    }

    /// A link of the host by its index, as it was when it was last looked up, if it was.
    pub(crate) fn seen_index(&self, index: u32) -> Option<&Link> {
        self.host.seen.iter().find(|link| link.index == index)
    }

    /// Removes something at once, after everything queued has been sent; what is not there is removed already.
    ///
    /// # Errors
    /// What the kernel says, with the `action` that it refused.
    pub fn remove(&mut self, side: Side, action: impl Into<String>, request: Request) -> Result<(), Error> {
        match self.socket(side)?.request(request) {
            Err(source) if !source.is_missing() => Err(Error::Refused { action: action.into(), source }),
            _ => Ok(()),
        }
    }

    /// Queues a step for the object at work.
    pub fn queue(&mut self, step: Step) {
        self.queue.push((self.current, step));
    }

    /// Sends what is queued, the host's steps first, those of one side in one go.
    ///
    /// # Errors
    /// The first step that the kernel refused. The kernel has tried the later ones of that side too.
    pub fn flush(&mut self) -> Result<(), Error> {
        if self.queue.is_empty() {
            return Ok(());
        }
        let (host, container) =
            std::mem::take(&mut self.queue).into_iter().partition(|(_, step)| step.side == Side::Host);
        self.send(Side::Host, host)?;
        self.send(Side::Container, container)
    }

    fn send(&mut self, side: Side, steps: Vec<(usize, Step)>) -> Result<(), Error> {
        if steps.is_empty() {
            return Ok(());
        }
        self.refused = None;
        let (requests, reasons): (Vec<_>, Vec<_>) = steps
            .into_iter()
            .map(|(object, step)| (step.request, (object, step.action, step.makes, step.tolerated)))
            .unzip();
        let answers = self.end(side)?.socket()?.batch(requests).map_err(Error::refused("talk to the kernel"))?;
        let mut refused = None;
        for ((object, action, makes, tolerated), answer) in reasons.into_iter().zip(answers) {
            match answer {
                Ok(_) if makes => self.made.push(object),
                Ok(_) => {}
                Err(error) if error.errno().is_some_and(|errno| tolerated.contains(&errno)) => {}
                Err(source) => {
                    self.refused.get_or_insert(object);
                    refused.get_or_insert(match action.strip_prefix("make ") {
                        Some(what) if makes && source.is_existing() => Error::Exists(what.to_owned()),
                        _ => Error::Refused { action, source },
                    });
                }
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Drops what is queued and was not sent.
    pub(crate) fn forget_queue(&mut self) {
        self.queue.clear();
    }

    /// Steps queued from now on belong to the object at this place of the description.
    pub(crate) fn work_on(&mut self, object: usize) {
        self.current = object;
    }

    /// The object at work has been made by other means than a step.
    pub(crate) fn mark_made(&mut self) {
        self.made.push(self.current);
    }

    /// The object, by its place in the description, one of whose queued steps was refused.
    pub(crate) fn take_refused(&mut self) -> Option<usize> {
        self.refused.take()
    }

    /// The objects made so far, the last first.
    pub(crate) fn take_made(&mut self) -> Vec<usize> {
        let mut made = std::mem::take(&mut self.made);
        made.reverse();
        made
    }

    /// Takes the lock for the host's shared objects, unless it is held in this mode or the stronger one. It is held until
    /// [`Kernel::unlock`]. Without it links may have changed, so what was seen of the host's is forgotten.
    pub(crate) fn lock(&mut self, mode: Mode) -> Result<(), Error> {
        if matches!(self.lock, Some((held, _)) if held == mode || held == Mode::Change) {
            return Ok(());
        }
        self.lock = None; // a second descriptor of ours would wait for the first
        self.lock = Some((mode, Lock::of_host(mode)?));
        self.host.seen.clear();
        Ok(())
    }

    /// Releases the lock.
    pub fn unlock(&mut self) {
        self.lock = None;
    }
}
