//! The configuration as an attachment: a port, or what a chained plugin adds to the port of an earlier one.

use attachment::{
    Description, Finder, Identity, Ifb, OvsBridge, OvsGuard, OvsMirror, OvsPatch, OvsPort, Session, SourceTable, Tap,
    TapLine, Veth,
};
use cni::{Call, Error, Success};
use plugin::{Plugin, Prop};

use crate::mirrored::Mirrored;
use crate::port::Port;
use crate::switch;

/// What a call is about.
#[derive(Debug, Clone)]
pub(crate) enum Switched {
    /// A NIC on a bridge.
    Port(Box<Port>),
    /// Mirrors for the port of the plugin before this one.
    Mirrored(Mirrored),
}

impl Plugin for Switched {
    const FINDERS: &'static [&'static Finder] = &[
        OvsBridge::FINDER,
        OvsPatch::FINDER,
        OvsMirror::FINDER,
        Tap::FINDER,
        Veth::FINDER,
        TapLine::FINDER,
        OvsPort::FINDER,
        OvsGuard::FINDER,
        SourceTable::SWITCH_FINDER,
        Ifb::COLLECTOR,
    ];
    const HAS_IPAM: bool = true;
    const SHARES: bool = true;

    fn read(call: &Call, identity: Identity) -> Result<Self, Error> {
        match Mirrored::is_output(call) {
            Some(is_output) => Mirrored::read(call, identity, is_output).map(Self::Mirrored),
            None => Port::read(call, &identity).map(|port| Self::Port(Box::new(port))),
        }
    }

    fn connect(call: &Call, session: &mut Session) -> Result<(), Error> {
        switch::connect(call, session)
    }

    fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        match self {
            Self::Port(port) => port.survey(session),
            Self::Mirrored(mirrored) => mirrored.survey(call, session),
        }
    }

    fn describe(&self) -> Result<Description, Error> {
        match self {
            Self::Port(port) => port.describe(),
            Self::Mirrored(mirrored) => Ok(mirrored.describe()),
        }
    }

    fn complete(&self, call: &Call, addressing: &mut Success) -> Result<(), Error> {
        match self {
            Self::Port(port) => port.complete(call, addressing),
            Self::Mirrored(_) => Ok(()),
        }
    }

    fn addressing(&self, addressing: &Success) -> Description {
        match self {
            Self::Port(port) => port.addressing(addressing),
            Self::Mirrored(_) => Description::new(),
        }
    }

    fn result(&self, call: &Call, session: &mut Session, addressing: Success) -> Result<Success, Error> {
        match self {
            Self::Port(port) => port.result(call, session, addressing),
            Self::Mirrored(_) => plugin::call::previous(call).cloned(),
        }
    }

    fn expect(&mut self, call: &Call, previous: &Success) -> Result<Success, Error> {
        match self {
            Self::Port(port) => port.expect(call, previous),
            Self::Mirrored(_) => Ok(Success::default()),
        }
    }

    fn named(call: &Call, identity: &Identity, session: &mut Session) -> Result<Description, Error> {
        match Mirrored::is_output(call) {
            Some(is_output) => Mirrored::named(call, identity, is_output, session),
            None => Ok(Port::named(call, identity)),
        }
    }

    /// Nothing of the switch is tried out, because there is only one for all namespaces; it is asked instead.
    fn rehearse(&mut self, session: &mut Session) -> Result<Vec<Prop>, Error> {
        match self {
            Self::Port(port) => port.rehearse(session),
            Self::Mirrored(mirrored) => mirrored.rehearse(session),
        }?;
        Ok(Vec::new())
    }

    fn error(error: &attachment::Error) -> Error {
        nic::error(error)
    }
}
