//! Notes: what an operator should know although nothing failed.

use std::fmt;
use std::time::Duration;

/// Something that the session has noticed, for its caller to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A chain drops what is forwarded between the members of a bridge, and accepts no rule.
    ClosedChain {
        /// The bridge.
        bridge: String,
        /// The chain.
        chain: String,
        /// Why it accepts none.
        reason: String,
    },
    /// A chain drops what is led to published ports, and accepts no rule.
    ClosedToPorts {
        /// The link that the containers are behind.
        link: String,
        /// The chain.
        chain: String,
        /// Why it accepts none.
        reason: String,
    },
    /// Published ports cannot be reached by an address of the host's own loopback.
    NoLoopback {
        /// The link that the containers are behind.
        link: String,
        /// Why.
        reason: String,
    },
    /// Connections that were opened before cannot be forgotten.
    NotForgotten {
        /// The ports, as in "port 53/udp".
        port: String,
        /// Why.
        reason: String,
    },
    /// A chain of others refuses what containers send.
    RefusedWay {
        /// What is refused, in words.
        what: String,
        /// The chain.
        chain: String,
        /// The commands that open it.
        remedy: String,
    },
    /// Neighbours were not told where an address is.
    NotAnnounced {
        /// The address, with its link.
        address: String,
        /// Why.
        reason: String,
    },
    /// Nobody could be asked whether an address is in use already.
    NotAsked {
        /// The address, with its link.
        address: String,
        /// Why.
        reason: String,
    },
    /// A port of Open vSwitch that is of another network than the call's has no device any more.
    LostPort {
        /// The port.
        port: String,
        /// The attachment that it is of, in words.
        whose: String,
        /// What the switch says.
        reason: String,
    },
    /// A bridge of Open vSwitch has not answered, and may have kept flows that guarded ports which are gone.
    LeftFlows {
        /// The bridge.
        bridge: String,
        /// Why it was not asked.
        reason: String,
    },
    /// An internal port of a switch in user space ends with the switch.
    MortalPort {
        /// The port.
        port: String,
    },
    /// A precaution could not be taken.
    NotSet {
        /// The setting with its value, as in "set net.ipv6.conf.br0.accept_ra to 0".
        action: String,
        /// Why.
        reason: String,
        /// What follows.
        otherwise: &'static str,
    },
    /// A port does not forward before the spanning tree of its bridge lets it, which is waited for.
    SpanningTree {
        /// The port.
        port: String,
        /// Its bridge.
        bridge: String,
        /// For how long at most.
        limit: Duration,
    },
    /// What a device of the host was, which a container has had, is not known.
    UnknownOrigin {
        /// The name that it has now.
        device: String,
    },
    /// The older iptables is in use, whose rules cannot be seen.
    LegacyIptables {
        /// The bridge.
        bridge: String,
    },
    /// The older iptables is in use, and the reference plugin may have published ports by it.
    LegacyPorts {
        /// The chain that they would be in.
        chain: String,
    },
    /// The older iptables is in use, and the reference plugin may have made rules in it.
    LegacyTranslation {
        /// The chain that they would be in.
        chain: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosedChain { bridge, chain, reason } => write!(
                f,
                "members of {bridge} cannot reach each other: chain {chain} drops what it forwards, and accepts no \
                 rule ({reason}); accept what comes from {bridge} and goes there"
            ),
            Self::ClosedToPorts { link, chain, reason } => write!(
                f,
                "published ports behind {link} are reached by this host alone: chain {chain} drops what it forwards, and accepts no \
                 rule ({reason}); accept there what goes to {link} and comes from it, if its connection was translated (ct status dnat)"
            ),
            Self::NoLoopback { link, reason } => write!(
                f,
                "published ports cannot be reached by 127.0.0.1: cannot set net.ipv4.conf.{link}.route_localnet to 1 ({reason})"
            ),
            Self::NotForgotten { port, reason } => write!(
                f,
                "cannot have the kernel forget connections to {port} ({reason}): clients that have used it before may wait up to \
                 two minutes; load the module nf_conntrack_netlink"
            ),
            Self::RefusedWay { what, chain, remedy } => write!(
                f,
                "the host's firewall refuses {what} (chain {chain}); unless a later plugin of the chain, such as firewall, opens it: \
                 {remedy}"
            ),
            Self::NotAnnounced { address, reason } => write!(
                f,
                "cannot announce {address} ({reason}); it can be used all the same, but neighbours that know an earlier \
                 holder of it may send to that one for up to a minute"
            ),
            Self::NotAsked { address, reason } => {
                write!(f, "cannot ask whether {address} is in use already ({reason}); it is taken for free")
            }
            Self::LostPort { port, whose, reason } => write!(
                f,
                "port {port} of {whose} has lost its device ({reason}); if its container is gone, GC of that network removes the \
                 port, or `ovs-vsctl del-port {port}`"
            ),
            Self::LeftFlows { bridge, reason } => write!(
                f,
                "flows of ports that are gone may be left on bridge {bridge} ({reason}); GC of a network on Open vSwitch removes them"
            ),
            Self::NotSet { action, reason, otherwise } => write!(f, "cannot {action} ({reason}): {otherwise}"),
            Self::MortalPort { port } => write!(
                f,
                "internal port {port} is dead when ovs-vswitchd is restarted, because its bridge has datapath_type netdev; a veth is not"
            ),
            Self::SpanningTree { port, bridge, limit } => write!(
                f,
                "waiting up to {} s until the spanning tree of bridge {bridge} lets port {port} forward; if no loop leads through the \
                 bridge, turn it off with `ip link set {bridge} type bridge stp_state 0`",
                limit.as_secs()
            ),
            Self::UnknownOrigin { device } => write!(
                f,
                "{device} is a device of the host again, but what it was there is not known: its alias was changed in the container, \
                 or the key in /run/plugboard was; give it its name, addresses and state yourself"
            ),
            Self::LegacyIptables { bridge } => write!(
                f,
                "if iptables-legacy drops what is forwarded, members of {bridge} cannot reach each other: \
                 iptables-legacy -I FORWARD -i {bridge} -o {bridge} -j ACCEPT"
            ),
            Self::LegacyPorts { chain } => write!(
                f,
                "if the reference plugin published ports by iptables-legacy, its rules for this attachment are still there: look for {chain} \
                 in `iptables-legacy-save -t nat`, delete the rules of CNI-HOSTPORT-DNAT that jump to it (-D), and then the chain (-F and \
                 -X); for IPv6 with ip6tables-legacy"
            ),
            Self::LegacyTranslation { chain } => write!(
                f,
                "if the reference plugin translated addresses by iptables-legacy, its rules for this attachment are still there: \
                 look for {chain} in `iptables-legacy-save -t nat`, delete the rules of POSTROUTING that jump to it (-D), and then \
                 the chain (-F and -X); for IPv6 with ip6tables-legacy"
            ),
        }
    }
}
