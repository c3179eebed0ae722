//! Placeholders for addresses that are not allocated yet.
//!
//! The IPAM plugin is not asked: it would allocate the addresses. What the configuration determines is taken from there. The rest
//! is an address of an unused block, so that plugins can compute with it; in the output, a word replaces it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cni::{IpConfig, Success, Version};
use ipnetwork::IpNetwork;
use serde_json::{Map, Value, json};

use crate::network::Plugin;

/// The IPAM plugins whose keys are known here.
const STATIC: &str = "static";
const HOST_LOCAL: &str = "host-local";

/// The prefix length that stands for an unknown one: no network of several hosts has it.
const NO_LENGTH: u8 = 31;

/// What IPAM would give, and the words for the unknown parts of it.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    given: Success,
    words: Vec<(String, String)>,
    /// Comments that explain the words to the reader.
    pub(super) remarks: Vec<String>,
    /// What the words begin with.
    prefix: String,
}

impl Addresses {
    /// Those of an interface; `None` if the plugin asks for none.
    pub(super) fn of(plugin: &Plugin, if_name: &str) -> Option<Self> {
        let kind = plugin.ipam()?;
        let empty = Map::new();
        let keys = plugin.key("ipam").and_then(Value::as_object).unwrap_or(&empty);
        let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
        let mut addresses = Self { prefix: if_name.chars().map(letter).collect(), ..Self::default() };
        let routes = json!({ "routes": keys::find(keys, "routes").unwrap_or(&Value::Null) });
        addresses.given.routes =
            Success::from_value(&routes, Version::LATEST).map(|read| read.routes).unwrap_or_default();
        match kind {
            STATIC => addresses.configured(keys),
            HOST_LOCAL => addresses.out_of_ranges(keys),
            _ => {}
        }
        if addresses.given.ips.is_empty() {
            addresses.unknown(kind);
        }
        Some(addresses)
    }

    /// As the delegate's result would be.
    pub(super) fn result(&self, version: Version) -> Result<Value, cni::Error> {
        self.given.to_value(version)
    }

    /// A line with words for what is not known.
    pub(super) fn in_words(&self, line: &str) -> String {
        self.words.iter().fold(line.to_owned(), |line, (address, word)| line.replace(address, word))
    }

    fn configured(&mut self, keys: &Map<String, Value>) {
        for entry in keys::find(keys, "addresses").and_then(Value::as_array).into_iter().flatten() {
            let text = |key| entry.as_object().and_then(|entry| keys::find(entry, key)).and_then(Value::as_str);
            if let Some(address) = text("address").and_then(|address| address.parse().ok()) {
                self.give(address, text("gateway").and_then(|gateway| gateway.parse().ok()));
            }
        }
    }

    /// One address out of each set.
    fn out_of_ranges(&mut self, keys: &Map<String, Value>) {
        let own = keys::find(keys, "subnet").map(|_| Value::Array(vec![Value::Object(keys.clone())]));
        let sets = keys::find(keys, "ranges").and_then(Value::as_array).into_iter().flatten();
        for set in own.iter().chain(sets) {
            let ranges: Vec<&Value> = set.as_array().into_iter().flatten().collect();
            let known: Vec<Range> = ranges.iter().filter_map(|range| Range::read(range)).collect();
            // Several ranges of a set need not have one subnet.
            let is_like = |first: &Range| {
                let alike =
                    |range: &Range| (range.subnet.prefix(), range.gateway) == (first.subnet.prefix(), first.gateway);
                known.len() == ranges.len() && known.iter().all(alike)
            };
            let Some(first) = known.first().filter(|first| is_like(first)) else {
                self.unknown(HOST_LOCAL);
                continue;
            };
            let (stand_in, word) = self.stand_in("ADDRESS", first.subnet.is_ipv4());
            let length = first.subnet.prefix();
            self.words.push((stand_in.to_string(), word.clone()));
            let texts: Vec<String> = known.iter().map(Range::text).collect();
            self.remarks.push(format!(
                "{word} stands for the address that {HOST_LOCAL} would give, from {}",
                texts.join(" or ")
            ));
            if let Ok(address) = IpNetwork::new(stand_in, length) {
                let is_one = known.iter().all(|range| range.subnet == first.subnet);
                let subnet = if is_one { network(first.subnet) } else { format!("{}_SUBNET", word) };
                self.words.push((network(address), subnet));
                self.give(address, Some(first.gateway));
            }
        }
    }

    fn unknown(&mut self, kind: &str) {
        let (address, word) = self.stand_in("ADDRESS", true);
        let (gateway, gateway_word) = self.stand_in("GATEWAY", true);
        let length = format!("{}_PREFIX", self.prefix);
        for (stand_in, word) in [(address, &word), (gateway, &gateway_word)] {
            self.words.push((format!("{stand_in}/{NO_LENGTH}"), format!("{word}/{length}")));
            self.words.push((stand_in.to_string(), word.clone()));
        }
        self.remarks.push(format!(
            "{word}, {length} and {gateway_word} are what {kind} gives, which may give more, and routes, too"
        ));
        if let Ok(address) = IpNetwork::new(address, NO_LENGTH) {
            self.words.push((network(address), format!("{word}_SUBNET")));
            self.give(address, Some(gateway));
        }
    }

    fn give(&mut self, address: IpNetwork, gateway: Option<IpAddr>) {
        self.given.ips.push(IpConfig { address, gateway, interface: None, extra: Map::new() });
    }

    /// An address that nobody has (RFC 1112, 4; RFC 3849), and a word for it. None begins as another does.
    fn stand_in(&self, what: &str, is_v4: bool) -> (IpAddr, String) {
        let number = u8::try_from(self.words.len()).unwrap_or(u8::MAX).saturating_add(101);
        let address = match is_v4 {
            true => IpAddr::V4(Ipv4Addr::new(250, 111, if what == "ADDRESS" { 213 } else { 214 }, number)),
            false => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x5b1a, 0xc3d2, 0, 0, 0, 0x100 + u16::from(number))),
        };
        let family = if is_v4 { "" } else { "6" };
        let base = format!("{}_{what}{family}", self.prefix);
        let is_taken = |word: &String| self.words.iter().any(|(_, other)| other == word);
        let word = (2..).map(|number| format!("{base}_{number}")).find(|word| !is_taken(word));
        let word = if is_taken(&base) { word.unwrap_or(base) } else { base };
        (address, word)
    }
}

/// The subnet of an address, as a route to it has it.
fn network(address: IpNetwork) -> String {
    format!("{}/{}", address.network(), address.prefix())
}

/// A range of addresses, as `host-local` reads it.
#[derive(Debug)]
struct Range {
    subnet: IpNetwork,
    ends: [Option<String>; 2],
    gateway: IpAddr,
}

impl Range {
    fn read(keys: &Value) -> Option<Self> {
        let keys = keys.as_object()?;
        let text = |key: &str| keys::find(keys, key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let subnet: IpNetwork = text("subnet")?.parse().ok()?;
        let first = match subnet.network() {
            IpAddr::V4(network) => IpAddr::V4(network.to_bits().checked_add(1)?.into()),
            IpAddr::V6(network) => IpAddr::V6(network.to_bits().checked_add(1)?.into()),
        };
        let gateway = text("gateway").map_or(Some(first), |gateway| gateway.parse().ok())?;
        Some(Self { subnet, ends: ["rangeStart", "rangeEnd"].map(|key| text(key).map(str::to_owned)), gateway })
    }

    fn text(&self) -> String {
        let Self { subnet, ends, .. } = self;
        match ends {
            [None, None] => subnet.to_string(),
            [Some(first), None] => format!("{subnet} from {first} on"),
            [None, Some(last)] => format!("{subnet} up to {last}"),
            [Some(first), Some(last)] => format!("{first} to {last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ipam: &Value) -> Addresses {
        let plugin = Plugin::read(&json!({"type": "bridge", "ipam": ipam})).unwrap();
        Addresses::of(&plugin, "eth0").unwrap()
    }

    fn result(addresses: &Addresses) -> String {
        addresses.in_words(&addresses.result(Version::LATEST).unwrap().to_string())
    }

    #[test]
    fn what_the_configuration_settles_needs_no_word() {
        let given = of(&json!({"type": "static", "routes": [{"dst": "0.0.0.0/0"}],
            "addresses": [{"address": "10.9.0.2/24", "gateway": "10.9.0.1"}, {"address": "fd00::2/64"}]}));
        assert_eq!((given.words.len(), given.remarks.len()), (0, 0));
        let text = result(&given);
        for part in ["10.9.0.2/24", "\"gateway\":\"10.9.0.1\"", "fd00::2/64", "0.0.0.0/0"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn an_address_out_of_a_range_has_a_word_and_the_rest_is_known() {
        let given = of(&json!({"type": "host-local", "subnet": "10.9.0.0/24", "rangeStart": "10.9.0.10",
            "ranges": [[{"subnet": "fd00:9::/64", "gateway": "fd00:9::fe"}], [{"subnet": "10.7.0.0/16"}]]}));
        let text = result(&given);
        for part in ["ETH0_ADDRESS/24", "10.9.0.1\"", "ETH0_ADDRESS6/64", "fd00:9::fe", "ETH0_ADDRESS_2/16"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(given.in_words("250.111.213.0/24 2001:db8:5b1a:c3d2::/64"), "10.9.0.0/24 fd00:9::/64");
        assert_eq!(
            given.remarks[0],
            "ETH0_ADDRESS stands for the address that host-local would give, from 10.9.0.0/24 from 10.9.0.10 on"
        );
    }

    #[test]
    fn of_any_other_nothing_is_known() {
        for ipam in [json!({"type": "dhcp"}), json!({"type": "host-local", "rangeFromFile": "/x"})] {
            let given = of(&ipam);
            let text = result(&given);
            assert!(text.contains("ETH0_ADDRESS/ETH0_PREFIX") && text.contains("\"ETH0_GATEWAY\""), "{text}");
            assert_eq!(given.in_words("250.111.214.101/31 dev br0"), "ETH0_GATEWAY/ETH0_PREFIX dev br0");
            assert_eq!(given.in_words("250.111.213.100/31 dev eth0"), "ETH0_ADDRESS_SUBNET dev eth0");
            assert_eq!(given.remarks.len(), 1);
        }
    }
}
