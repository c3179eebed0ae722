//! The configuration as an attachment.

use attachment::{
    Bridge, Description, Elements, Finder, ForwardRule, GatewayVlan, Identity, Ifb, ReferenceNic, Session, Tap, Veth,
};
use cni::{Call, Error, Success};
use keys::BridgeKeys;
use nic::OnBridge;
use plugin::{Plugin, Prop};

use crate::reference;

/// The bridge where the configuration names none.
const DEFAULT: &str = "cni0";

/// A NIC on a bridge.
#[derive(Debug, Clone)]
pub(crate) struct Bridged(OnBridge);

impl Plugin for Bridged {
    const FINDERS: &'static [&'static Finder] = &[
        Bridge::FINDER,
        ForwardRule::FINDER,
        GatewayVlan::FINDER,
        Tap::FINDER,
        Veth::FINDER,
        Elements::FINDER,
        Ifb::COLLECTOR,
        ReferenceNic::COLLECTOR,
    ];
    const HAS_IPAM: bool = true;
    const SHARES: bool = true;

    fn read(call: &Call, identity: Identity) -> Result<Self, Error> {
        let keys: BridgeKeys = call.config.keys()?;
        OnBridge::read(call, identity, keys.nic, keys.bridge.as_deref(), DEFAULT).map(Self)
    }

    fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        self.0.survey(call, session)
    }

    fn describe(&self) -> Result<Description, Error> {
        Ok(self.0.describe())
    }

    fn await_nic(&self, session: &mut Session) -> Result<(), attachment::Error> {
        self.0.await_nic(session)
    }

    fn complete(&self, call: &Call, addressing: &mut Success) -> Result<(), Error> {
        nic::set_resolver(call, addressing)?;
        self.0.complete(addressing)
    }

    fn addressing(&self, addressing: &Success) -> Description {
        self.0.addressing(addressing)
    }

    fn result(&self, call: &Call, session: &mut Session, addressing: Success) -> Result<Success, Error> {
        self.0.result(call, session, addressing)
    }

    fn expect(&mut self, call: &Call, previous: &Success) -> Result<Success, Error> {
        self.0.expect(call, previous)
    }

    /// The bridge that the configuration names, with what is attached to it; a device that was lent to it, and what the reference
    /// plugin made.
    fn named(call: &Call, identity: &Identity, session: &mut Session) -> Result<Description, Error> {
        let Some(bridge) = OnBridge::bridge_of(call, DEFAULT) else { return Ok(Description::new()) };
        let is_ours = !reference::is_its_result(call, &bridge, identity);
        let mut description = OnBridge::named(call, identity, &bridge, is_ours);
        if let Some(left) = reference::left(call, &bridge, identity, session).map_err(|error| Self::error(&error))? {
            description.own(left);
        }
        Ok(description)
    }

    fn rehearse(&mut self, session: &mut Session) -> Result<Vec<Prop>, Error> {
        self.0.rehearse(session)
    }

    fn error(error: &attachment::Error) -> Error {
        nic::error(error)
    }
}
