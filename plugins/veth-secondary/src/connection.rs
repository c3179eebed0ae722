//! What a NIC is connected to.

use attachment::{Description, Session};
use cni::{Call, Error, Success};
use nic::{OnBridge, OnLink};
use plugin::Prop;

/// A kind of NIC with what it is connected to. Its functions are those of [`plugin::Plugin`].
pub(crate) trait Connection {
    /// Asks the host what the description depends on.
    ///
    /// # Errors
    /// What cannot serve.
    fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error>;

    /// What must exist, whatever the addresses.
    fn describe(&self) -> Description;

    /// Completes what IPAM returned.
    ///
    /// # Errors
    /// Code 7 where the answer does not fit the configuration.
    fn complete(&self, addressing: &mut Success) -> Result<(), Error>;

    /// Waits until what the NIC sends reaches others.
    ///
    /// # Errors
    /// It will not.
    fn await_nic(&self, _session: &mut Session) -> Result<(), attachment::Error> {
        Ok(())
    }

    /// What must exist because of the addresses.
    fn addressing(&self, addressing: &Success) -> Description;

    /// The container has an interface that gets addresses.
    fn has_interface(&self) -> bool {
        true
    }

    /// What the container interface reaches without a gateway.
    fn on_link(&self) -> OnLink {
        OnLink::Subnets
    }

    /// The result of ADD.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    fn result(&self, call: &Call, session: &mut Session, addressing: Success) -> Result<Success, Error>;

    /// For CHECK: the addresses and routes in the final result that are this attachment's.
    ///
    /// # Errors
    /// Code 7 for a result that is not of this attachment.
    fn expect(&mut self, call: &Call, previous: &Success) -> Result<Success, Error>;

    /// For STATUS: stand-ins for what the description depends on.
    ///
    /// # Errors
    /// What is missing on this host.
    fn rehearse(&mut self, session: &mut Session) -> Result<Vec<Prop>, Error>;
}

impl Connection for OnBridge {
    fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        OnBridge::survey(self, call, session)
    }

    fn describe(&self) -> Description {
        OnBridge::describe(self)
    }

    fn complete(&self, addressing: &mut Success) -> Result<(), Error> {
        OnBridge::complete(self, addressing)
    }

    fn await_nic(&self, session: &mut Session) -> Result<(), attachment::Error> {
        OnBridge::await_nic(self, session)
    }

    fn addressing(&self, addressing: &Success) -> Description {
        OnBridge::addressing(self, addressing)
    }

    fn has_interface(&self) -> bool {
        OnBridge::has_interface(self)
    }

    fn result(&self, call: &Call, session: &mut Session, addressing: Success) -> Result<Success, Error> {
        OnBridge::result(self, call, session, addressing)
    }

    fn expect(&mut self, call: &Call, previous: &Success) -> Result<Success, Error> {
        OnBridge::expect(self, call, previous)
    }

    fn rehearse(&mut self, session: &mut Session) -> Result<Vec<Prop>, Error> {
        OnBridge::rehearse(self, session)
    }
}
