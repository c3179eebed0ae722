//! The hosts that are heard, in the configuration or in a file.

use std::collections::BTreeSet;
use std::net::IpAddr;

use attachment::Reach;
use cni::{Call, Error};
use ipnetwork::IpNetwork;
use keys::{LacKeys, Value};

use crate::list::{List, objection, refused};

const LIST: List = List {
    key: "peers",
    file_key: "peersFile",
    contents: "the addresses and networks of the hosts that are to be heard",
    entry: "address of a host",
};

/// How many addresses and networks a list may have: each is an element of a set of the packet filter.
const LIMIT: usize = 1000;

/// The hosts that `peers` or `peersFile` name, all of the family that the LAC is over, if that is known; `None` with neither: whoever
/// sends is heard.
///
/// # Errors
/// Code 7 naming the entry, or the file and its line; both are given; there are too many.
pub(crate) fn read(keys: &LacKeys, call: &Call, is_ipv6: Option<bool>) -> Result<Option<BTreeSet<IpNetwork>>, Error> {
    let file = keys.peers_file.as_deref().filter(|path| !path.is_empty());
    if !keys.peers.is_empty() && file.is_some() {
        return Err(refused(
            "peers and peersFile both list the hosts that are heard; remove one of the two".to_owned(),
        ));
    }
    let all = match file {
        Some(path) => LIST.in_file(path, parse)?,
        None if !keys.peers.is_empty() => LIST.listed(&keys.peers, parse)?,
        None if matches!(keys::find(&call.config.object, "peers"), Some(Value::Array(_))) => {
            return Err(refused(
                "peers is empty, and nobody would be heard; list the hosts that are to be, or remove the key: then whoever sends is"
                    .to_owned(),
            ));
        }
        None => return Ok(None),
    };
    refuse_as_a_whole(&all, &LIST.place(file), is_ipv6).map(|()| Some(all))
}

/// Refuses a host that gets what is for all, and would not be heard, and one that could not be. This host's own addresses are none in `reach`.
///
/// # Errors
/// Code 7 naming the host.
pub(crate) fn refuse_unheard(peers: Option<&BTreeSet<IpNetwork>>, reach: &Reach) -> Result<(), Error> {
    let Some(peers) = peers else { return Ok(()) };
    let is_heard = |host: &IpAddr| peers.iter().any(|network| network.contains(*host));
    match reach {
        Reach::Hosts { hosts, .. } => match hosts.iter().find(|host| !is_heard(host)) {
            None => Ok(()),
            Some(host) => Err(refused(format!(
                "peers: {host} is among the remotes and not among the peers: it would be sent to, and not heard; add it to the peers, \
                 or remove it from the remotes"
            ))),
        },
        Reach::Evpn { is_ipv6 } => match peers.iter().find(|network| network.is_ipv6() != *is_ipv6) {
            None => Ok(()),
            Some(other) => Err(refused(format!(
                "peers: {other} is not of the family of this host's address in the LAC, which is {}: none of its packets would come; \
                 remove it, or name another address in local",
                if *is_ipv6 { "IPv6" } else { "IPv4" }
            ))),
        },
        Reach::Group(_) | Reach::Flooded(_) => Ok(()),
    }
}

/// # Errors
/// What is wrong with it, as the rest of a sentence that quotes the text.
fn parse(text: &str) -> Result<IpNetwork, String> {
    let must = "it must be the address of a host, such as 192.0.2.2 or 2001:db8::2, or a network, such as 192.0.2.0/24";
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().map_err(|_| must.to_owned())?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => bits,
        Some(text) => match text.parse::<u8>() {
            Ok(length) if length <= bits && text.bytes().all(|byte| byte.is_ascii_digit()) => length,
            _ => return Err(format!("the length of its prefix must be a number from 1 to {bits}")),
        },
    };
    let found = match address {
        _ if length == 0 => Some("it is every host; remove the key to hear whoever sends".to_owned()),
        _ if is_within_a_group(address, length) => {
            Some("it is a multicast group, from which no packet comes; list the hosts that send to it".to_owned())
        }
        // Of a network that is larger than what no host can have, the rest counts.
        IpAddr::V4(_) if length < 8 => None,
        IpAddr::V6(_) if length < 96 => None,
        _ => objection(address),
    };
    if let Some(objection) = found {
        return Err(objection);
    }
    let network = IpNetwork::new(address, length).map_err(|_| must.to_owned())?;
    match network.network() == address {
        true => Ok(network),
        false => Err(format!(
            "it has bits behind its prefix; write {}/{length} for the network, or {address} for the host",
            network.network()
        )),
    }
}

fn is_within_a_group(address: IpAddr, length: u8) -> bool {
    address.is_multicast() && length >= if address.is_ipv4() { 4 } else { 8 }
}

fn refuse_as_a_whole(all: &BTreeSet<IpNetwork>, place: &str, is_ipv6: Option<bool>) -> Result<(), Error> {
    if all.len() > LIMIT {
        return Err(refused(format!(
            "{place}: {} addresses and networks are more than {LIMIT}; write networks instead of their hosts",
            all.len()
        )));
    }
    let of = |is_ipv4: bool| all.iter().find(|network| network.is_ipv4() == is_ipv4).map(in_words);
    let other = match (of(true), of(false), is_ipv6) {
        (Some(ipv4), Some(ipv6), _) => {
            return Err(refused(format!(
                "{place}: {ipv4} and {ipv6} are of two families, and a LAC has one; name all hosts by IPv4, or all by IPv6"
            )));
        }
        (Some(other), None, Some(true)) => format!("{other} is of IPv4, and the LAC is over IPv6"),
        (None, Some(other), Some(false)) => format!("{other} is of IPv6, and the LAC is over IPv4"),
        _ => return Ok(()),
    };
    Err(refused(format!("{place}: {other}; name the hosts by the addresses that they send from")))
}

fn in_words(network: &IpNetwork) -> String {
    let bits = if network.is_ipv4() { 32 } else { 128 };
    if network.prefix() == bits { network.ip().to_string() } else { network.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Result<String, String> {
        parse(text).map(|network| in_words(&network))
    }

    fn refusal(texts: &[&str], is_ipv6: Option<bool>) -> Result<(), String> {
        let all = texts.iter().map(|text| parse(text).unwrap()).collect();
        refuse_as_a_whole(&all, "peers", is_ipv6).map_err(|error| error.msg)
    }

    #[test]
    fn hosts_and_networks() {
        for text in [
            "192.0.2.2",
            "192.0.2.0/24",
            "169.254.0.0/16",
            "10.0.0.0/8",
            "128.0.0.0/1",
            "192.0.0.0/2",
            "0.0.0.0/1",
            "2001:db8::2",
            "2001:db8::/64",
            "fe80::1",
            "fe80::/64",
            "8000::/1",
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(text));
        }
        assert_eq!(parsed("192.0.2.2/32").as_deref(), Ok("192.0.2.2"));
        assert_eq!(parsed("2001:DB8:0::2/128").as_deref(), Ok("2001:db8::2"));
    }

    #[test]
    fn what_is_no_peer() {
        for (text, part) in [
            ("", "it must be the address of a host"),
            ("host2", "it must be the address of a host"),
            ("192.0.2.2:4789", "it must be the address of a host"),
            ("/24", "it must be the address of a host"),
            ("fe80::1%eth0", "it must be the address of a host"),
            ("192.0.2.0/33", "a number from 1 to 32"),
            ("192.0.2.0/", "a number from 1 to 32"),
            ("192.0.2.0/+24", "a number from 1 to 32"),
            ("192.0.2.0/255.255.255.0", "a number from 1 to 32"),
            ("2001:db8::/129", "a number from 1 to 128"),
            ("0.0.0.0/0", "it is every host"),
            ("::/0", "it is every host"),
            ("192.0.2.1/0", "it is every host"),
            ("239.0.0.1", "a multicast group, from which no packet comes"),
            ("224.0.0.0/4", "a multicast group"),
            ("ff05::/16", "a multicast group"),
            ("0.0.0.0", "of no host"),
            ("0.0.0.0/8", "of no host"),
            ("::", "of no host"),
            ("127.0.0.1", "this host itself"),
            ("127.0.0.0/8", "this host itself"),
            ("::1", "this host itself"),
            ("240.0.0.0/8", "no host can have"),
            ("255.255.255.255", "of all hosts"),
            ("::ffff:192.0.2.2", "write it as 192.0.2.2"),
            ("192.0.2.1/24", "write 192.0.2.0/24 for the network, or 192.0.2.1 for the host"),
            ("2001:db8::5/64", "write 2001:db8::/64 for the network, or 2001:db8::5 for the host"),
        ] {
            let objection = parsed(text).unwrap_err();
            assert!(objection.contains(part), "{text}: {objection}");
        }
    }

    #[test]
    fn all_are_of_the_family_of_the_lac() {
        let (v4, v6) = (Some(false), Some(true));
        assert_eq!(refusal(&["192.0.2.2", "192.0.2.3"], v4), Ok(()));
        assert_eq!(refusal(&["2001:db8::/64"], v6), Ok(()));
        assert_eq!(refusal(&["2001:db8::/64"], None), Ok(()));
        assert_eq!(refusal(&["192.0.2.2"], None), Ok(()));
        assert_eq!(
            refusal(&["192.0.2.2", "2001:db8::/64"], v4).unwrap_err(),
            "peers: 192.0.2.2 and 2001:db8::/64 are of two families, and a LAC has one; name all hosts by IPv4, or all by IPv6"
        );
        assert_eq!(
            refusal(&["192.0.2.2"], v6).unwrap_err(),
            "peers: 192.0.2.2 is of IPv4, and the LAC is over IPv6; name the hosts by the addresses that they send from"
        );
        assert!(refusal(&["2001:db8::2"], v4).unwrap_err().contains("is of IPv6, and the LAC is over IPv4"));
    }

    #[test]
    fn a_list_has_an_end() {
        let texts: Vec<String> =
            (0..=1000).map(|number: u32| format!("10.0.{}.{}", number / 250, number % 250)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let objection = refusal(&texts, None).unwrap_err();
        assert!(objection.contains("1001 addresses and networks are more than 1000"), "{objection}");
        assert_eq!(refusal(&texts[1..], None), Ok(()));
    }

    #[test]
    fn a_file_is_named_with_its_line() {
        let path = std::env::temp_dir().join(format!("vxlan-overlay-peers-{}", std::process::id()));
        let name = path.to_str().unwrap();
        let read = |content: &str| {
            fs::write(&path, content).unwrap();
            LIST.in_file(name, parse).map_err(|error| error.msg.replace(name, "FILE"))
        };
        assert_eq!(read("# all\n192.0.2.0/24 # room 3\n\n198.51.100.7\r\n").unwrap().len(), 2);
        assert!(
            read("192.0.2.2\n192.0.2.1/24")
                .unwrap_err()
                .starts_with("peersFile: FILE, line 2: \"192.0.2.1/24\" is none: ")
        );
        for content in ["", "# nobody\n"] {
            assert_eq!(read(content).unwrap_err(), "peersFile: FILE has no address of a host; write one on a line");
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(
            LIST.in_file(name, parse).unwrap_err().msg.replace(name, "FILE"),
            "peersFile: FILE: No such file or directory (os error 2); write the addresses and networks of the hosts that are to be \
             heard there, one on a line"
        );
        assert!(LIST.in_file("lac-peers", parse).unwrap_err().msg.contains("it must be the file's whole path"));
    }

    #[test]
    fn who_is_sent_to_is_heard() {
        let peers: BTreeSet<IpNetwork> =
            ["192.0.2.0/30", "198.51.100.7"].iter().map(|text| parse(text).unwrap()).collect();
        let reach = |hosts: &[&str]| Reach::Hosts {
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            is_ipv6: false,
        };
        for hosts in [&["192.0.2.2", "198.51.100.7"][..], &[]] {
            assert!(refuse_unheard(Some(&peers), &reach(hosts)).is_ok());
        }
        let error = refuse_unheard(Some(&peers), &reach(&["192.0.2.2", "192.0.2.4"])).unwrap_err();
        assert_eq!(error.code, cni::Code::InvalidConfig);
        assert!(
            error.msg.starts_with("peers: 192.0.2.4 is among the remotes and not among the peers"),
            "{}",
            error.msg
        );
        assert!(refuse_unheard(None, &reach(&["192.0.2.4"])).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*|[0-9a-f.:]{0,20}(/[0-9]{0,4})?") {
            if let Ok(network) = parse(&text) {
                prop_assert!(network.prefix() > 0);
            }
        }
    }
}
