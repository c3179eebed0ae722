//! A line between a TAP device and a switch that does as it likes with its ports.

use netlink::link::{self, Link};
use netlink::{Namespace, veth};

use super::host_links;
use super::occupied::occupied;
use crate::{Device, Difference, Error, Finder, Identity, Item, Kind, Object, Session, Side, Stage, Step};

static KIND: Kind = Kind::found("line of a TAP device");
// What a network has of it is found as veths are.
static FINDER: Finder = Finder::new(&KIND, of_attachment, |_, _| Ok(Vec::new()));

/// A veth pair on the host between a TAP device and Open vSwitch, whose port is one of its ends.
///
/// The switch removes queues of its ports that are not its own, some of them whenever a machine opens a TAP device. And one in user
/// space gets frames as they are: a guest leaves their checksums to the kernel of the receiver, and on their way through a veth the
/// kernel fills them in ([`Checksums`](crate::Checksums)).
#[derive(Debug)]
pub struct TapLine {
    /// The attachment.
    pub identity: Identity,
    /// The MTU of both ends in bytes.
    pub mtu: Option<u32>,
}

impl TapLine {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// The end that is the switch's port.
    #[must_use]
    pub fn port(identity: &Identity) -> String {
        identity.port_name()
    }

    /// The end that is joined to the TAP device.
    #[must_use]
    pub fn joint(identity: &Identity) -> Device {
        Device::host(identity.joint_name())
    }

    fn ends(&self) -> [Device; 2] {
        [Device::host(self.identity.port_name()), Self::joint(&self.identity)]
    }
}

fn of_attachment(_: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    Ok(vec![Item::Object(Box::new(TapLine { identity: identity.clone(), mtu: None }))])
}

impl Object for TapLine {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Nic
    }

    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        for end in self.ends() {
            if let Some(link) = session.find(&end)? {
                return Err(occupied(format_args!("interface {end}"), &link));
            }
        }
        Ok(())
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let [port, joint] = self.ends();
        let own = Namespace::own().map_err(Error::Namespace)?;
        let pair = veth::NewVeth {
            name: &port.name,
            mac: self.identity.port_mac(),
            mtu: self.mtu,
            peer: veth::Peer { namespace: &own, name: &joint.name, mac: self.identity.joint_mac() },
        };
        session.queue(Step::make(Side::Host, format!("make veth {port} with {joint}"), pair.create()));
        // In the same send as the creation: a kill cannot leave a pair without its tag.
        for end in [port, joint] {
            let tag = link::set_alias_without_link_local(&end.name, &self.identity.alias(), self.mtu);
            session.queue(Step::change(Side::Host, format!("tag {end}"), tag));
        }
        session.flush() // while the namespace is open
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let mut differences = Vec::new();
        for end in self.ends() {
            let label = format!("interface {end}");
            match session.find(&end)? {
                None => differences.push(Difference::missing(label)),
                Some(Link { kind, .. }) if kind != "veth" => differences.push(Difference::new(label, "a veth", kind)),
                Some(Link { is_up: false, .. }) => differences.push(Difference::new(label, "up", "down")),
                Some(link) => {
                    let wanted = self.mtu.filter(|want| *want != link.mtu);
                    differences.extend(wanted.map(|want| Difference::new(format!("{label} mtu"), want, link.mtu)));
                }
            }
        }
        Ok(differences)
    }

    /// One end takes the other with it.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let [port, _] = self.ends();
        match host_links::own(session, &port, "veth", &self.identity.alias())? {
            Some(_) => session.remove(Side::Host, format!("remove {port}"), link::delete(&port.name)),
            None => Ok(()),
        }
    }

    fn commands(&self) -> Vec<String> {
        let [port, joint] = self.ends().map(|end| end.name);
        let mtu = self.mtu.map(|bytes| format!(" mtu {bytes}")).unwrap_or_default();
        let (mac, joint_mac) = (self.identity.port_mac(), self.identity.joint_mac());
        let pair = format!("type veth peer name {joint} address {joint_mac}{mtu}");
        let mut commands = vec![format!("ip link add {port} address {mac}{mtu} up {pair}")];
        for end in [port, joint] {
            commands.push(format!("ip link set {end} alias '{}'", self.identity.alias()));
            if link::may_have_ipv6(self.mtu) {
                commands.push(format!("ip link set {end} addrgenmode none"));
            }
        }
        commands
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let [port, _] = self.ends();
        match host_links::own(session, &port, "veth", &self.identity.alias())? {
            Some(_) => host_links::removal(session, &port.name),
            None => Ok(Vec::new()),
        }
    }
}
