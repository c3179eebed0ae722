//! Which NICs are ports of Open vSwitch. `ovs-vswitchd` removes the queues of its ports when it starts, and its datapath in user
//! space takes what they receive before it can be redirected. So such a NIC has its queues at its other end.
//!
//! What a container can change does not count here: what is in it, it can get rid of.

use attachment::{Device, OvsBridge, Session, Shared};
use cni::{Call, Interface, Success};
use netlink::link::Link;

/// A bridge's local port, which has its name: with the kernel's datapath, and with that in user space.
const LOCAL_PORT_KINDS: [&str; 2] = [SWITCH, "tun"];
/// The kind of the datapath's own devices. One of them is the master of all ports of the kernel's datapath.
const SWITCH: &str = "openvswitch";

/// What is known of NICs and their switch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Switch<'a> {
    pub(crate) call: &'a Call,
    pub(crate) previous: &'a Success,
}

impl Switch<'_> {
    /// The host's device is a port, by its master; or, since a port of the datapath in user space has none, by the bridge that the
    /// result lists before it.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub(crate) fn has_port(&self, outside: &Link, session: &mut Session) -> Result<bool, attachment::Error> {
        if outside.master.is_some() {
            return Ok(outside.master_kind == SWITCH);
        }
        self.has_bridge_before(|interface| interface.sandbox.is_empty() && interface.name == outside.name, session)
    }

    /// For DEL, which may know no result: the host's device is no port of anything else.
    pub(crate) fn may_have_port(outside: &Link) -> bool {
        outside.master.is_none() || outside.master_kind == SWITCH
    }

    /// The container's device `inside` is the switch's own.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub(crate) fn has_internal_port(&self, inside: &Link, session: &mut Session) -> Result<bool, attachment::Error> {
        let is_of_switch = LOCAL_PORT_KINDS.contains(&inside.kind.as_str());
        Ok(is_of_switch && self.will_have_internal_port(&inside.name, session)?)
    }

    /// The result lists the container interface of this name behind a bridge of the switch.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub(crate) fn will_have_internal_port(&self, name: &str, session: &mut Session) -> Result<bool, attachment::Error> {
        let is_it = |interface: &Interface| !interface.sandbox.is_empty() && interface.name == name;
        Ok(self.previous.interfaces.iter().any(is_it) && self.has_bridge_before(is_it, session)?)
    }

    /// The result lists a bridge of the switch, before the interface that `is_it` tells of, if it lists that.
    fn has_bridge_before(
        &self,
        is_it: impl Fn(&Interface) -> bool,
        session: &mut Session,
    ) -> Result<bool, attachment::Error> {
        let before = self.previous.interfaces.iter().take_while(|interface| !is_it(interface));
        for interface in before.filter(|interface| interface.sandbox.is_empty()) {
            let found = match session.known(&Device::host(&interface.name))? {
                Some(link) => LOCAL_PORT_KINDS.contains(&link.kind.as_str()),
                None => session.is_looking() && self.is_to_be_made(&interface.name),
            };
            if found {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where commands are printed: an earlier plugin of the chain is going to make the bridge.
    fn is_to_be_made(&self, bridge: &str) -> bool {
        plugin::made_before(self.call).contains(&OvsBridge::named(bridge, &self.call.config.name).name())
    }
}
