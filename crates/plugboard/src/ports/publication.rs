//! What `--publish` takes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use keys::Transport;
use serde_json::{Map, Value, json};

/// Ports of the host that are to lead into the container, each to the port in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    /// The address of the host; `None` for all.
    address: Option<IpAddr>,
    host: Ports,
    /// As many as of the host.
    container: Ports,
    transport: Transport,
}

impl Publication {
    /// The entries of the capability.
    pub(super) fn mappings(&self) -> impl Iterator<Item = Value> {
        self.host.all().zip(self.container.all()).map(|(host, container)| {
            let mut mapping = Map::new();
            mapping.insert("hostPort".to_owned(), json!(host));
            mapping.insert("containerPort".to_owned(), json!(container));
            mapping.insert("protocol".to_owned(), json!(self.transport.word()));
            if let Some(address) = self.address {
                mapping.insert("hostIP".to_owned(), json!(address));
            }
            Value::Object(mapping)
        })
    }

    /// How many ports.
    pub(super) fn count(&self) -> usize {
        self.host.all().count()
    }

    /// A port of the host that both ask for: the first one.
    pub(super) fn overlap(&self, other: &Self) -> Option<u16> {
        let is_all = |address: IpAddr| address.is_unspecified();
        let meet = match (self.address, other.address) {
            (Some(one), Some(another)) => {
                one == another || (one.is_ipv4() == another.is_ipv4() && (is_all(one) || is_all(another)))
            }
            _ => true,
        };
        let (first, last) = (self.host.first.max(other.host.first), self.host.last.min(other.host.last));
        (meet && self.transport == other.transport && first <= last).then_some(first)
    }

    /// The protocol.
    pub(super) fn transport(&self) -> Transport {
        self.transport
    }
}

impl FromStr for Publication {
    type Err = String;

    /// As Docker, Podman and nerdctl read it, but a port of the host is never drawn at random.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains(',') {
            return Err("a list is not accepted: give the option once for each".to_owned());
        }
        let (ports, transport) = match text.split_once('/') {
            None => (text, Transport::default()),
            Some((ports, word)) => {
                let transport = Transport::read(word);
                (ports, transport.ok_or_else(|| format!("'{word}' is no protocol: it must be tcp, udp or sctp"))?)
            }
        };
        let Parts { address, host, container } = Parts::of(ports);
        if host.is_empty() {
            let colon = if address.is_some_and(|address| !address.is_empty()) { ":" } else { "" };
            let end = if ports == text { String::new() } else { format!("/{transport}") };
            return Err(format!(
                "the port of the host is missing, and none is chosen at random: write {}{colon}HOSTPORT:{container}{end}",
                address.unwrap_or_default()
            ));
        }
        let publication = Self {
            address: address.map(|address| read_address(address, host, container)).transpose()?,
            host: Ports::read(host, "host")?,
            container: Ports::read(container, "container")?,
            transport,
        };
        let (of_host, of_container) = (publication.host.all().count(), publication.container.all().count());
        if of_host != of_container {
            return Err(format!(
                "as many ports of the host are expected as of the container: {host} is {of_host}, and {container} is {of_container}"
            ));
        }
        Ok(publication)
    }
}

impl fmt::Display for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:")?,
            Some(address) => write!(f, "{address}:")?,
            None => {}
        }
        write!(f, "{}:{}/{}", self.host, self.container, self.transport)
    }
}

/// What stands between the colons.
struct Parts<'a> {
    address: Option<&'a str>,
    /// Empty where it is missing.
    host: &'a str,
    container: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let Some((before, container)) = text.rsplit_once(':') else {
            return Self { address: None, host: "", container: text };
        };
        if before.ends_with(']') || before.parse::<Ipv4Addr>().is_ok() {
            return Self { address: Some(before), host: "", container };
        }
        match before.rsplit_once(':') {
            Some((address, host)) => Self { address: Some(address), host, container },
            None => Self { address: None, host: before, container },
        }
    }
}

/// One of IPv4 that is written as one of IPv6 is one of IPv4.
fn read_address(text: &str, host: &str, container: &str) -> Result<IpAddr, String> {
    let in_brackets = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let read = match in_brackets {
        Some(inside) => inside.parse::<Ipv6Addr>().map(|address| IpAddr::V6(address).to_canonical()).ok(),
        None => text.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
    };
    read.ok_or_else(|| match text {
        "" => format!("there is no address before the first colon: write {host}:{container}"),
        _ if text.parse::<Ipv6Addr>().is_ok() => {
            format!("an address of IPv6 stands in brackets: write [{text}]:{host}:{container}")
        }
        _ => format!("'{text}' is no address of the host: it must be one such as 192.0.2.7 or [2001:db8::7]"),
    })
}

/// Ports in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    fn read(text: &str, whose: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err(format!("the port of the {whose} is missing"));
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let ports = Self { first: read_port(first)?, last: read_port(last)? };
        if ports.first > ports.last {
            return Err(format!("{text} is no range of ports: it ends before it begins"));
        }
        Ok(ports)
    }

    fn all(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

fn read_port(text: &str) -> Result<u16, String> {
    let is_number = text.bytes().all(|letter| letter.is_ascii_digit());
    let port = text.parse().ok().filter(|port| is_number && *port > 0);
    port.ok_or_else(|| format!("'{text}' is no port: it must be a number from 1 to 65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Publication, String> {
        text.parse()
    }

    fn mappings(text: &str) -> Value {
        Value::Array(read(text).unwrap_or_else(|error| panic!("{text}: {error}")).mappings().collect())
    }

    #[test]
    fn what_other_command_lines_take_is_read() {
        for (text, expected) in [
            ("8080:80", json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}])),
            ("1:65535/TCP", json!([{"hostPort": 1, "containerPort": 65535, "protocol": "tcp"}])),
            ("0053:053/udp", json!([{"hostPort": 53, "containerPort": 53, "protocol": "udp"}])),
            (
                "192.0.2.7:3868:3868/sctp",
                json!([{"hostPort": 3868, "containerPort": 3868, "protocol": "sctp", "hostIP": "192.0.2.7"}]),
            ),
            ("0.0.0.0:80:80", json!([{"hostPort": 80, "containerPort": 80, "protocol": "tcp", "hostIP": "0.0.0.0"}])),
            ("[::1]:8080:80", json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "::1"}])),
            ("[::]:8080:80", json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "::"}])),
            (
                "[::ffff:192.0.2.7]:8080:80",
                json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.7"}]),
            ),
            (
                "127.0.0.1:8000-8001:80-81/udp",
                json!([
                    {"hostPort": 8000, "containerPort": 80, "protocol": "udp", "hostIP": "127.0.0.1"},
                    {"hostPort": 8001, "containerPort": 81, "protocol": "udp", "hostIP": "127.0.0.1"}
                ]),
            ),
            ("65535-65535:1-1", json!([{"hostPort": 65535, "containerPort": 1, "protocol": "tcp"}])),
        ] {
            assert_eq!(mappings(text), expected, "{text}");
        }
        assert_eq!(read("1-65535:1-65535").map(|all| all.count()), Ok(65_535));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        for (text, error) in [
            ("80", "none is chosen at random: write HOSTPORT:80"),
            ("80-82/udp", "none is chosen at random: write HOSTPORT:80-82/udp"),
            ("", "the port of the host is missing"),
            (":80", "write HOSTPORT:80"),
            ("::80/Tcp", "write HOSTPORT:80/tcp"),
            ("127.0.0.1::80", "write 127.0.0.1:HOSTPORT:80"),
            ("127.0.0.1:80/udp", "write 127.0.0.1:HOSTPORT:80/udp"),
            ("[::1]:80", "write [::1]:HOSTPORT:80"),
            ("[::1]::80", "write [::1]:HOSTPORT:80"),
            ("8080:", "the port of the container is missing"),
            (":8080:80", "there is no address before the first colon: write 8080:80"),
            ("::1:8080:80", "write [::1]:8080:80"),
            ("2001:db8::7:8080:80", "write [2001:db8::7]:8080:80"),
            ("localhost:8080:80", "'localhost' is no address of the host"),
            ("[192.0.2.7]:8080:80", "'[192.0.2.7]' is no address of the host"),
            ("[fe80::1%eth0]:8080:80", "'[fe80::1%eth0]' is no address of the host"),
            ("192.0.2.7.1:8080:80", "'192.0.2.7.1' is no address of the host"),
            ("8080:80/icmp", "'icmp' is no protocol: it must be tcp, udp or sctp"),
            ("8080:80/", "'' is no protocol"),
            ("8080:80/tcp/udp", "'tcp/udp' is no protocol"),
            ("8080/tcp:80", "'tcp:80' is no protocol"),
            ("0:80", "'0' is no port: it must be a number from 1 to 65535"),
            ("8080:65536", "'65536' is no port"),
            ("+8080:80", "'+8080' is no port"),
            ("-8080:80", "'' is no port"),
            (" 8080:80", "' 8080' is no port"),
            ("http:80", "'http' is no port"),
            ("8000-8001-8002:80-82", "'8001-8002' is no port"),
            ("8001-8000:80-81", "8001-8000 is no range of ports: it ends before it begins"),
            ("8000-8010:80", "8000-8010 is 11, and 80 is 1"),
            ("8000-8001:80-82", "8000-8001 is 2, and 80-82 is 3"),
            ("8080:80,8081:81", "give the option once for each"),
        ] {
            let told = read(text).expect_err(text);
            assert!(told.contains(error), "{text}: {told}");
        }
    }

    /// Whatever is read is written so that it is read the same, also what a slip of the keyboard makes of it.
    #[test]
    fn what_is_printed_is_read_again() {
        let ports: [(u16, u16); 6] = [(1, 1), (1, 65_535), (80, 80), (8000, 8010), (65_534, 65_535), (65_535, 65_535)];
        let addresses = ["", "0.0.0.0:", "192.0.2.7:", "255.255.255.255:", "[::]:", "[::1]:", "[2001:db8::7]:"];
        let mut read_again = 0;
        for address in addresses {
            for (first, last) in ports {
                for transport in ["", "/tcp", "/udp", "/sctp", "/SCTP"] {
                    let length = last - first;
                    let text = format!("{address}{first}-{last}:{}-{}{transport}", 65_535 - length, 65_535);
                    let publication = read(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
                    assert_eq!(publication.count(), usize::from(length) + 1, "{text}");
                    let slips = (0..text.len()).map(|place| format!("{}{}", &text[..place], &text[place + 1..]));
                    for text in slips.chain([text.clone()]) {
                        let Ok(publication) = read(&text) else { continue };
                        assert_eq!(read(&publication.to_string()), Ok(publication), "{text}");
                        read_again += 1;
                    }
                }
            }
        }
        assert!(read_again > addresses.len() * ports.len() * 5, "{read_again}: some slips leave a right one");
    }

    #[test]
    fn what_asks_for_the_same_port_overlaps() {
        for (one, other, overlap) in [
            ("80:80", "80:81", Some(80)),
            ("80:80", "80:80/udp", None),
            ("80-90:80-90", "85-95:85-95", Some(85)),
            ("80-90:80-90", "91:91", None),
            ("127.0.0.1:80:80", "80:80", Some(80)),
            ("127.0.0.1:80:80", "0.0.0.0:80:80", Some(80)),
            ("127.0.0.1:80:80", "127.0.0.2:80:80", None),
            ("0.0.0.0:80:80", "[::]:80:80", None),
            ("[::1]:80:80", "[::]:80:80", Some(80)),
            ("[::]:80:80", "80:80", Some(80)),
        ] {
            let (first, second) = (read(one).unwrap(), read(other).unwrap());
            assert_eq!((first.overlap(&second), second.overlap(&first)), (overlap, overlap), "{one} {other}");
        }
    }
}
