//! Queueing disciplines: finding, adding, changing and removing them. The kinds have files of their own.
//!
//! `netlink-packet-route` knows neither netem nor tbf: their options are bytes to it, written and read here.

mod backlog;
pub mod htb;
pub mod netem;
pub mod police;
pub mod redirect;
mod statistics;
pub mod tbf;

use netlink_packet_core::{DefaultNla, Nla};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcOption};

pub use backlog::{Held, held};
pub use netem::Netem;
pub use statistics::{Statistics, statistics};
pub use tbf::Tbf;

use crate::{Error, Request, Socket};

const RTM_NEWQDISC: u16 = 36;

/// `TCA_OPTIONS` in `rtnetlink.h`.
const TCA_OPTIONS: u16 = 2;

/// Where a queueing discipline hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// At the root of the device: it sees everything that the device sends.
    Root,
    /// Below a class of another one, as `MAJOR:MINOR`.
    Class(u16, u16),
}

/// What a queueing discipline does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Delay.
    Netem(Netem),
    /// Rate.
    Tbf(Tbf),
    /// One that we do not make, by its name.
    Other(String),
}

impl Kind {
    /// Its name, as in `tc qdisc add … NAME`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Netem(_) => "netem",
            Self::Tbf(_) => "tbf",
            Self::Other(name) => name,
        }
    }

    /// Whether the kernel's `have` is this one, so far as the kernel shows it.
    #[must_use]
    pub fn is_met_by(&self, have: &Self) -> bool {
        match (self, have) {
            (Self::Tbf(want), Self::Tbf(have)) => want.is_met_by(*have),
            (Self::Netem(want), Self::Netem(have)) => want.is_met_by(have),
            (want, have) => want == have,
        }
    }
}

/// A queueing discipline of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qdisc {
    /// Where it hangs.
    pub parent: Parent,
    /// The major number of its handle; 0 for one that the kernel made by itself.
    pub handle: u16,
    /// What it does.
    pub kind: Kind,
}

impl Qdisc {
    /// The same queue, whatever its parameters: parent, handle and kind.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.parent == other.parent && self.handle == other.handle && self.kind.name() == other.kind.name()
    }

    /// `tc qdisc add dev INDEX parent PARENT handle HANDLE: KIND …`. One with a handle that hangs there already is kept,
    /// and the request refused.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a kind that we cannot make or an index beyond 2^31.
    pub fn add(&self, index: u32) -> Result<Request, Error> {
        Ok(Request::create(self.written(index, self.options()?)?))
    }

    /// `tc qdisc change dev INDEX parent PARENT handle HANDLE: KIND …`: what waits in the queue stays there. Unlike `tc`, it
    /// also takes back what is not asked any more: see `Netem::change_options`.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a kind that we cannot make or an index beyond 2^31.
    pub fn change(&self, index: u32) -> Result<Request, Error> {
        let options = match &self.kind {
            Kind::Netem(netem) => netem.change_options(),
            _ => self.options()?,
        };
        Ok(Request::change(self.written(index, options)?))
    }

    /// The same for parameters that were read from the kernel, which does not show netem's table: that one stays.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a kind that we cannot make or an index beyond 2^31.
    pub fn change_back(&self, index: u32) -> Result<Request, Error> {
        let options = match &self.kind {
            Kind::Netem(netem) => netem.change_options_without_table(),
            _ => self.options()?,
        };
        Ok(Request::change(self.written(index, options)?))
    }

    /// `tc qdisc replace dev INDEX parent PARENT handle HANDLE: KIND …` for one with another handle than that which hangs
    /// there. It goes with what waits in it, and only if the new one can be made.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a kind that we cannot make or an index beyond 2^31.
    pub fn replace(&self, index: u32) -> Result<Request, Error> {
        Ok(Request::replace(self.written(index, self.options()?)?))
    }

    fn options(&self) -> Result<Vec<u8>, Error> {
        match &self.kind {
            Kind::Netem(netem) => Ok(netem.options()),
            Kind::Tbf(tbf) => Ok(tbf.options()),
            Kind::Other(name) => Err(Error::Malformed(format!("no options are known for qdisc {name}"))),
        }
    }

    fn written(&self, index: u32, options: Vec<u8>) -> Result<RouteNetlinkMessage, Error> {
        let mut message = self.message(index)?;
        message.attributes.push(TcAttribute::Kind(self.kind.name().to_owned()));
        message.attributes.push(TcAttribute::Other(DefaultNla::new(TCA_OPTIONS, options)));
        Ok(RouteNetlinkMessage::NewQueueDiscipline(message))
    }

    /// `tc qdisc del dev INDEX parent PARENT handle HANDLE:`.
    ///
    /// # Errors
    /// [`Error::Malformed`] for an index beyond 2^31.
    pub fn delete(&self, index: u32) -> Result<Request, Error> {
        Ok(Request::change(RouteNetlinkMessage::DelQueueDiscipline(self.message(index)?)))
    }

    fn message(&self, index: u32) -> Result<TcMessage, Error> {
        let mut message = TcMessage::with_index(signed(index)?);
        message.header.handle = TcHandle { major: self.handle, minor: 0 };
        message.header.parent = match self.parent {
            Parent::Root => TcHandle::ROOT,
            Parent::Class(major, minor) => TcHandle { major, minor },
        };
        Ok(message)
    }

    fn read(message: &TcMessage) -> Option<Self> {
        let mut name = None;
        let mut options = Vec::new();
        for attribute in &message.attributes {
            match attribute {
                TcAttribute::Kind(kind) => name = Some(kind.as_str()),
                TcAttribute::Options(list) => {
                    if let Some(TcOption::Other(opaque)) = list.first() {
                        options.resize(opaque.value_len(), 0);
                        opaque.emit_value(&mut options);
                    }
                }
                _ => {}
            }
        }
        let kind = match name? {
            "netem" => Netem::read(&options).map(Kind::Netem),
            "tbf" => Tbf::read(&options).map(Kind::Tbf),
            _ => None,
        };
        let parent = message.header.parent;
        Some(Self {
            parent: if parent == TcHandle::ROOT { Parent::Root } else { Parent::Class(parent.major, parent.minor) },
            handle: message.header.handle.major,
            kind: kind.unwrap_or_else(|| Kind::Other(name.unwrap_or_default().to_owned())),
        })
    }
}

/// The queueing disciplines of one device: `tc qdisc show dev INDEX`.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list(socket: &mut Socket, index: u32) -> Result<Vec<Qdisc>, Error> {
    Ok(messages(socket, index)?.iter().filter_map(Qdisc::read).collect())
}

fn messages(socket: &mut Socket, index: u32) -> Result<Vec<TcMessage>, Error> {
    let index = signed(index)?;
    let request = Request::dump(RouteNetlinkMessage::GetQueueDiscipline(TcMessage::with_index(index)));
    let objects = socket.dump("queueing disciplines", &request)?;
    let messages = objects.into_iter().filter_map(|object| object.decode::<TcMessage>(RTM_NEWQDISC));
    Ok(messages.filter(|message| message.header.index == index).collect())
}

fn signed(index: u32) -> Result<i32, Error> {
    i32::try_from(index).map_err(|_| Error::Malformed(format!("no link can have the index {index}")))
}
