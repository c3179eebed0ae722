//! Refusals of the kernel whose words do not say what to do.

use netlink::bridge::MOST_PORTS;

use crate::{Error, Remedy};

/// What the kernel says of a kind of link that it does not have (`rtnl_newlink`).
const UNKNOWN_KIND: &str = "Unknown device type";

/// All ports of a bridge are in use; the kernel calls it an exchange that is full (`EXFULL`).
pub(crate) fn no_more_ports(bridge: &str) -> Error {
    Error::Busy(format!(
        "bridge {bridge} has {MOST_PORTS} ports, and a Linux bridge can have no more; detach what is no longer needed, or attach \
         further containers to another bridge"
    ))
}

/// The refusal of a device as a port of a bridge (`br_add_if` in `net/bridge/br_if.c`).
pub(crate) fn port(device: &str, bridge: &str) -> impl Fn(Error) -> Error + use<> {
    let (device, bridge) = (device.to_owned(), bridge.to_owned());
    move |error| {
        let Error::Refused { source, .. } = &error else { return error };
        let (have, remedy) = match source.errno() {
            Some(libc::EXFULL) => return no_more_ports(&bridge),
            Some(libc::EBUSY) => (
                "gives what it receives to another device already, such as a macvlan or ipvlan on it, a bond or a bridge",
                "remove that, or name another device",
            ),
            Some(libc::EINVAL) => ("is no Ethernet device with an address of its own", "name another device"),
            _ => return error,
        };
        let remedy = Remedy::act(remedy);
        Error::Conflict {
            object: format!("device {device}"),
            want: format!("a port of bridge {bridge}"),
            have: have.to_owned(),
            remedy,
        }
    }
}

/// The refusal of a link of a kind, which a module of the same name provides, for what is to be made.
pub(crate) fn kind(kind: &'static str, option: &'static str, what: &str) -> impl Fn(Error) -> Error + use<> {
    let what = what.to_owned();
    move |error| match &error {
        Error::Refused { source: netlink::Error::Kernel(refusal), .. }
            if refusal.errno == libc::EOPNOTSUPP
                && refusal.text.as_deref().is_some_and(|text| text.starts_with(UNKNOWN_KIND)) =>
        {
            Error::Unsupported {
                feature: format!("links of kind {kind}, which {what} is to be"),
                remedy: Remedy::Act(format!("load the module with `modprobe {kind}`, or use a kernel with {option}")),
            }
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use netlink::KernelError;

    use super::*;

    fn refused(errno: i32, text: Option<&str>) -> Error {
        let source = netlink::Error::Kernel(KernelError { errno, text: text.map(str::to_owned) });
        Error::Refused { action: "make it so".to_owned(), source }
    }

    #[test]
    fn a_port_that_is_refused_is_told_why() {
        for (errno, part) in [
            (libc::EXFULL, "has 1023 ports"),
            (libc::EBUSY, "device eth0 gives what it receives to another device already"),
            (libc::EINVAL, "device eth0 is no Ethernet device"),
            (libc::EPERM, "Operation not permitted"),
        ] {
            let told = port("eth0", "br0")(refused(errno, None)).to_string();
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn a_kind_that_the_kernel_lacks_is_named_with_its_module() {
        let explain = kind("veth", "CONFIG_VETH", "pb1");
        let told = explain(refused(libc::EOPNOTSUPP, Some("Unknown device type."))).to_string();
        assert!(told.contains("no links of kind veth, which pb1") && told.contains("modprobe veth"), "{told}");
        let other = explain(refused(libc::EOPNOTSUPP, Some("something else"))).to_string();
        assert!(other.contains("something else"), "{other}");
    }
}
