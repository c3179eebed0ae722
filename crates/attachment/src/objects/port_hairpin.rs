//! Frames that leave a bridge through the port that they came in by.

use std::fs;

use netlink::bridge_port;

use crate::{Device, Difference, Error, Kind, Object, Session, Side, Stage, Step};

static KIND: Kind = Kind::of_a_link("hairpin of a bridge port");

/// A port of a bridge sends back what its own container sends to a published port: `br_netfilter` leads that on while it is still on the
/// bridge.
#[derive(Debug)]
pub struct PortHairpin {
    /// The port.
    pub port: String,
}

impl PortHairpin {
    /// Whether the bridges of this namespace hand packets of either family to the packet filter.
    #[must_use]
    pub fn is_needed() -> bool {
        let is_on = |setting: &str| {
            let value = fs::read_to_string(format!("/proc/sys/net/bridge/bridge-nf-call-{setting}"));
            value.is_ok_and(|value| value.trim_end() != "0")
        };
        is_on("iptables") || is_on("ip6tables")
    }
}

fn set(session: &mut Session, port: &str, on: bool) {
    let action = if on { format!("set hairpin on {port}") } else { format!("take hairpin from {port}") };
    session.queue(Step::change(Side::Host, action, bridge_port::set_hairpin(port, on)));
}

impl Object for PortHairpin {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Port
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        if session.find(&Device::host(&self.port))?.is_some_and(|link| link.hairpin) {
            return Ok(());
        }
        let port = self.port.clone();
        session.on_undo(move |session| {
            set(session, &port, false);
            Ok(())
        });
        set(session, &self.port, true);
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let is_off =
            session.find(&Device::host(&self.port))?.is_some_and(|link| link.master.is_some() && !link.hairpin);
        let different = || Difference::new(format!("hairpin of {}", self.port), "on", "off");
        Ok(is_off.then(different).into_iter().collect())
    }

    /// It goes with its port.
    fn remove(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("bridge link set dev {} hairpin on", self.port)]
    }
}
