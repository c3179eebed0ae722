//! The keys of published ports, and of the capability `portMappings`. Those of the reference plugin `portmap`, all of them.

use std::fmt;
use std::net::IpAddr;

use serde_json::Value;

use crate::choice::choice;
use crate::from_json::{FromJson, number};
use crate::keys;
use crate::place::{Place, Refusal};
use crate::table::{Form, MANDATORY};

keys! {
    /// Ports of the host that lead into a container.
    #[object(others = told, example = r#"{"snat": true}"#)]
    pub struct PortmapKeys {
        /// connections of the container to its own published ports, and of the host to them by 127.0.0.1, get an address of the host as their
        /// source, without which their answers would not come back; the same goes for neighbours on a bridge
        #[key("snat", default = "true", example = "false")]
        pub snat: Option<bool>,

        /// with `snat`: all connections to the published ports do, whoever opens them, so that answers need no route
        #[key("masqAll", default = "false", example = "true")]
        pub masq_all: bool,

        /// accepted, but has no effect: no mark is needed here, and none is set; not with `externalSetMarkChain`
        #[key("markMasqBit", default = "none", example = "13")]
        pub mark_masq_bit: Option<MarkBit>,

        /// accepted, but has no effect: no chain of others is needed for what `snat` does
        #[key("externalSetMarkChain", default = "none", example = r#""KUBE-MARK-MASQ""#)]
        pub external_set_mark_chain: Option<String>,

        /// accepted, but has no effect: the rules are nftables' in either case
        #[key("backend", example = r#""nftables""#)]
        pub backend: Option<PortmapBackend>,

        /// only connections over IPv4 that meet these [conditions](#conditions) are led into the container
        #[key("conditionsV4", accepts = "list of words of iptables or nft", default = "none", example = r#"["!", "-d", "192.0.2.0/24"]"#)]
        pub conditions_v4: Vec<String>,

        /// the same for IPv6
        #[key("conditionsV6", accepts = "list of words of ip6tables or nft", default = "none", example = r#"["ip6", "daddr", "!=", "2001:db8::/32"]"#)]
        pub conditions_v6: Vec<String>,

        /// what the runtime hands over
        #[key("runtimeConfig", accepts = "object", example = r#"{"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}"#)]
        pub runtime_config: PublishedKeys,
    }

    /// What the runtime hands over.
    #[object(others = open, example = r#"{"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}"#)]
    pub struct PublishedKeys {
        /// the published ports: the capability `portMappings`
        #[key("portMappings", accepts = "list of objects", default = "none", example = r#"[{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]"#)]
        pub port_mappings: Vec<PortMappingKeys>,
    }

    /// A published port.
    #[object(others = told, example = r#"{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}"#)]
    pub struct PortMappingKeys {
        /// the port of the host
        #[key("hostPort", is_required = true, accepts = "1 to 65535", default = MANDATORY, example = "8080")]
        pub host_port: Port,

        /// the port of the container
        #[key("containerPort", is_required = true, accepts = "1 to 65535", default = MANDATORY, example = "80")]
        pub container_port: Port,

        /// `tcp`, `udp` or `sctp`
        #[key("protocol", default = "`tcp`", example = r#""udp""#)]
        pub protocol: Transport,

        /// the address of the host; without one, or with `0.0.0.0` or `::`, all of that family
        #[key("hostIP", accepts = "address", default = "all", example = r#""192.0.2.7""#)]
        pub host_ip: Option<HostIp>,
    }
}

choice! {
    /// By what the reference publishes ports.
    pub enum PortmapBackend {
        /// By running `iptables`.
        Iptables = "iptables",
        /// By running `nft`.
        Nftables = "nftables",
    }
}

/// The transport protocol of a published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Transport {
    const WORDS: [(&str, Self); 3] = [("tcp", Self::Tcp), ("udp", Self::Udp), ("sctp", Self::Sctp)];

    /// Reads its name, in any letter case, as iptables does; `None` for another one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, transport)| *transport)
    }

    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, transport)| *transport == self).map_or("", |(word, _)| word)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromJson for Transport {
    const FORM: Form = Form::Choice(&["tcp", "udp", "sctp"]);

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        let read = value.as_str().and_then(Self::read);
        read.ok_or_else(|| place.is_no("\"tcp\" or \"udp\" or \"sctp\"", value))
    }

    fn is_unset(value: &Value) -> bool {
        value.is_null() || value == ""
    }
}

/// The address of the host at which a port is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostIp(pub IpAddr);

impl FromJson for HostIp {
    const FORM: Form = Form::Text("");

    /// An IPv4 address that is written as one of IPv6 is one of IPv4, as for Go.
    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        let read = value.as_str().and_then(|text| text.parse::<IpAddr>().ok());
        let address = read.ok_or_else(|| place.is_no("an address of the host such as \"192.0.2.7\"", value))?;
        Ok(Self(address.to_canonical()))
    }

    fn is_unset(value: &Value) -> bool {
        value.is_null() || value == ""
    }
}

/// A port. No connection goes to port 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Port(pub u16);

impl FromJson for Port {
    const FORM: Form = Form::Number { from: 1, to: 65_535 };

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        number(value, place, 1, 65_535).map(Self)
    }
}

/// The number of a bit in a packet's mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkBit(pub u8);

impl FromJson for MarkBit {
    const FORM: Form = Form::Number { from: 0, to: 31 };

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        number(value, place, 0, 31).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(mapping: &Value) -> Result<PortMappingKeys, String> {
        PortMappingKeys::from_json(mapping, &Place::Whole).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn what_runtimes_hand_over_is_read() {
        let all = read(&json!({"hostPort": 53, "containerPort": 5353, "protocol": "UDP", "hostIP": "::ffff:10.0.0.1"}))
            .unwrap();
        assert_eq!((all.host_port, all.container_port, all.protocol), (Port(53), Port(5353), Transport::Udp));
        assert_eq!(all.host_ip, Some(HostIp([10, 0, 0, 1].into())));
        let least = read(&json!({"HostPort": 80, "ContainerPort": 80, "protocol": "", "hostIP": ""})).unwrap();
        assert_eq!((least.protocol, least.host_ip), (Transport::Tcp, None));
    }

    #[test]
    fn what_is_no_port_or_address_is_told() {
        for (mapping, objection) in [
            (json!({"containerPort": 80}), "the configuration: hostPort is missing"),
            (json!({"hostPort": 80}), "the configuration: containerPort is missing"),
            (json!({"hostPort": 0, "containerPort": 80}), "hostPort is 0: it must be a number from 1 to 65535"),
            (
                json!({"hostPort": 80, "containerPort": 65536}),
                "containerPort is 65536: it must be a number from 1 to 65535",
            ),
            (
                json!({"hostPort": 80, "containerPort": 80, "protocol": "icmp"}),
                "protocol is \"icmp\": it must be \"tcp\" or \"udp\" or \"sctp\"",
            ),
            (
                json!({"hostPort": 80, "containerPort": 80, "hostIP": "localhost"}),
                "hostIP is \"localhost\": it must be an address of the host such as \"192.0.2.7\"",
            ),
        ] {
            assert_eq!(read(&mapping).unwrap_err(), objection);
        }
    }
}
