//! VDE's notation for a LAC: `vxvde://GROUP/OPTION=VALUE/...`.
//!
//! It means here what VDE's clients read in it (`libvdeplug_vxvde(1)`, `parseparms.c`): an option may be abbreviated, and `grp` sets
//! the last three bytes of the group, and the VNI. What they silently read as something else is refused.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use keys::excerpt::quoted;
use keys::nearest;

use crate::group;

/// The group where the url names none.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 0, 0, 1);

/// The same with `v6`.
const GROUP_IPV6: Ipv6Addr = Ipv6Addr::new(0xff05, 0x56de, 0, 0, 0, 0, 0, 1);

/// The VNI without `vni` and `grp`.
const VNI: u32 = 1;

/// The options of `vxvde` in VDE's order: of several that begin with an abbreviation the first one is meant.
const OPTIONS: [&str; 11] = ["port", "vni", "grp", "ttl", "rcvbuf", "v6", "v4", "hashsize", "expiretime", "if", "bind"];

/// Those that `vxlan` lacks.
const NOT_OF_VXLAN: [&str; 2] = ["grp", "bind"];

/// Options about the client itself, and why the kernel has nothing like them.
const OF_CLIENTS: [(&str, &str); 4] = [
    ("rcvbuf", "it sizes a client's socket, and the kernel has one for all LACs of a port"),
    ("hashsize", "it sizes a client's table of addresses, and that of the kernel grows by itself"),
    ("expiretime", "it ages a client's table of addresses, and the kernel forgets an address after 300 s"),
    ("bind", "it chooses the address that a client sends from, and here that is the address of the interface in if"),
];

/// A LAC as a url names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: Scheme,
    pub(crate) group: IpAddr,
    pub(crate) port: u16,
    pub(crate) vni: u32,
    /// `None` where the url leaves it open.
    pub(crate) ttl: Option<u8>,
    /// `None` where the url leaves it open.
    pub(crate) underlay: Option<String>,
}

/// What a url begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// VDE's own, whose clients receive on a port each.
    Vxvde,
    /// VXLAN as all others speak it.
    Vxlan,
}

impl Scheme {
    const WORDS: [&str; 2] = ["vxvde", "vxlan"];

    const fn port(self) -> u16 {
        match self {
            Self::Vxvde => 14789,
            Self::Vxlan => 4789,
        }
    }

    /// The option that a word means.
    fn option(self, word: &str) -> Option<&'static str> {
        self.options().find(|name| name.starts_with(word))
    }

    fn options(self) -> impl Iterator<Item = &'static str> {
        OPTIONS.into_iter().filter(move |name| self == Self::Vxvde || !NOT_OF_VXLAN.contains(name))
    }
}

/// The parts of a url.
struct Parts<'a> {
    scheme: Scheme,
    host: &'a str,
    values: BTreeMap<&'static str, &'a str>,
}

impl Url {
    /// # Errors
    /// What is wrong with it, as the rest of a sentence that quotes the url.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut objection = None;
        let parts = Parts::of(text, |reason| _ = objection.get_or_insert(reason))?;
        if let Some(objection) = objection {
            return Err(objection);
        }
        let (port, vni) = parts.lac()?;
        let ttl = parts.number("ttl", 1, 255)?;
        Ok(Self {
            scheme: parts.scheme,
            group: parts.group()?,
            port,
            vni,
            ttl: ttl.and_then(|ttl| u8::try_from(ttl).ok()),
            underlay: parts.values.get("if").map(|name| (*name).to_owned()),
        })
    }

    /// Port and VNI, whatever else the url says.
    pub(crate) fn lac(text: &str) -> Option<(u16, u32)> {
        Parts::of(text, |_| ()).ok()?.lac().ok()
    }
}

impl<'a> Parts<'a> {
    /// Options that cannot be used are left out, and told to `object`.
    ///
    /// # Errors
    /// It is no url of a LAC.
    fn of(text: &'a str, mut object: impl FnMut(String)) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(
                "it must begin with vxvde:// (or vxlan:// for standard VXLAN), as in vxvde://234.0.0.1".to_owned()
            );
        };
        let scheme = match scheme {
            "vxvde" => Scheme::Vxvde,
            "vxlan" => Scheme::Vxlan,
            other => return Err(no_scheme(other)),
        };
        if rest.contains(['\'', '"', '\\']) {
            object("nothing in it needs quotes or backslashes; remove them".to_owned());
        }
        let mut elements = rest.split('/');
        let mut parts = Self { scheme, host: elements.next().unwrap_or_default(), values: BTreeMap::new() };
        for element in elements {
            let (word, value) = element.split_once('=').unwrap_or((element, ""));
            if word.is_empty() {
                if element.is_empty() {
                    continue;
                }
                object(format!("{} has no name of an option before \"=\"", quoted(element)));
                continue;
            }
            match scheme.option(word) {
                None => object(no_option(scheme, word)),
                Some(name) => {
                    if let Some(reason) = refused(name, value) {
                        object(reason);
                    }
                    if parts.values.insert(name, value).is_some_and(|other| other != value) {
                        object(format!("{name} is given twice; remove one of the two"));
                    }
                }
            }
        }
        Ok(parts)
    }

    /// Port and VNI.
    fn lac(&self) -> Result<(u16, u32), String> {
        let port = self.number("port", 1, 65_535)?.and_then(|port| u16::try_from(port).ok());
        let vni = self.number("vni", 0, 0xff_ffff)?.or(self.grp()?).unwrap_or(VNI);
        Ok((port.unwrap_or(self.scheme.port()), vni))
    }

    fn grp(&self) -> Result<Option<u32>, String> {
        self.number("grp", 0, 0xff_ffff)
    }

    fn group(&self) -> Result<IpAddr, String> {
        let of_group = |reason| format!("the group is {}: {reason}", quoted(self.host));
        let (v4, v6) = (self.values.contains_key("v4"), self.values.contains_key("v6"));
        let group = match self.host {
            "" if v6 => IpAddr::V6(GROUP_IPV6),
            "" => IpAddr::V4(GROUP),
            host => group::address(host).map_err(of_group)?,
        };
        let of_other_family = match group {
            IpAddr::V4(_) => (v6 && !v4).then_some("v6"),
            IpAddr::V6(_) => (v4 && !v6).then_some("v4"),
        };
        if let Some(option) = of_other_family {
            return Err(format!("{option} contradicts the group {group}; remove one of the two"));
        }
        match self.grp()? {
            None => group::refuse_others(group).map_err(of_group)?,
            Some(number) => {
                let changed = with_last_bytes(group, number);
                group::refuse_others(changed)
                    .map_err(|reason| format!("grp={number} makes the group {changed}: {reason}"))?;
                return Ok(changed);
            }
        }
        Ok(group)
    }

    /// # Errors
    /// It is no number, or out of bounds.
    fn number(&self, name: &str, from: u32, to: u32) -> Result<Option<u32>, String> {
        let Some(text) = self.values.get(name) else { return Ok(None) };
        let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<u32>().ok().filter(|number| is_digits && (from..=to).contains(number));
        let why = match name {
            "vni" | "grp" if text.starts_with(char::is_alphabetic) => {
                " (names of groups of users have other numbers on other hosts)"
            }
            "vni" | "grp" => " (a VNI has 24 bits)",
            _ => "",
        };
        number
            .map(Some)
            .ok_or_else(|| format!("{name} is {}: it must be a number from {from} to {to}{why}", quoted(text)))
    }
}

/// Why an option is refused, whatever the rest says.
fn refused(name: &str, value: &str) -> Option<String> {
    if let Some((_, why)) = OF_CLIENTS.iter().find(|(option, _)| *option == name) {
        return Some(format!("{name} is for VDE's clients: {why}; remove it"));
    }
    match name {
        "v4" | "v6" if !value.is_empty() => Some(format!("{name} is {}: it takes no value", quoted(value))),
        "if" if value.is_empty() => Some("if has no value; name an interface, as in if=eth1".to_owned()),
        _ => None,
    }
}

fn no_scheme(word: &str) -> String {
    let known = match nearest(word, &Scheme::WORDS) {
        Some(word) => format!("did you mean {word}://? "),
        None => String::new(),
    };
    format!("{} is not VXLAN; {known}A LAC's url begins with vxvde:// or vxlan://", quoted(&format!("{word}://")))
}

fn no_option(scheme: Scheme, word: &str) -> String {
    let accepted: Vec<&str> =
        scheme.options().filter(|name| !OF_CLIENTS.iter().any(|(other, _)| other == name)).collect();
    let known = match nearest(word, &accepted) {
        Some(name) => format!("did you mean {name:?}? Known options are"),
        None => "known options are".to_owned(),
    };
    format!("unknown option {}; {known} {}", quoted(word), accepted.join(", "))
}

/// As VDE does for `grp`.
fn with_last_bytes(group: IpAddr, number: u32) -> IpAddr {
    match group {
        IpAddr::V4(group) => Ipv4Addr::from_bits(group.to_bits() & 0xff00_0000 | number & 0xff_ffff).into(),
        IpAddr::V6(group) => Ipv6Addr::from_bits(group.to_bits() & !0xff_ffff | u128::from(number & 0xff_ffff)).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(group: &str, port: u16, vni: u32) -> Url {
        Url { scheme: Scheme::Vxvde, group: group.parse().unwrap(), port, vni, ttl: None, underlay: None }
    }

    /// What Debian's libvdeplug2 4.0.1 joins for each of these, as seen in its sockets.
    #[test]
    fn what_vde_reads() {
        for (text, wanted) in [
            ("vxvde://", url("239.0.0.1", 14789, 1)),
            ("vxvde:///", url("239.0.0.1", 14789, 1)),
            ("vxvde:///v4", url("239.0.0.1", 14789, 1)),
            ("vxvde:///v6", url("ff05:56de::1", 14789, 1)),
            ("vxvde:///v4/v6", url("ff05:56de::1", 14789, 1)),
            ("vxvde://234.0.0.1", url("234.0.0.1", 14789, 1)),
            ("vxvde://234.0.0.1/", url("234.0.0.1", 14789, 1)),
            ("vxvde://234.0.0.1//port=15001", url("234.0.0.1", 15001, 1)),
            ("vxvde://234.0.0.1/p=15000", url("234.0.0.1", 15000, 1)),
            ("vxvde://234.0.0.1/port=15000/port=15000", url("234.0.0.1", 15000, 1)),
            ("vxvde://234.0.0.1/v=42", url("234.0.0.1", 14789, 42)),
            ("vxvde://234.0.0.1/vni=0", url("234.0.0.1", 14789, 0)),
            ("vxvde://234.0.0.1/vni=16777215", url("234.0.0.1", 14789, 16_777_215)),
            ("vxvde://ff15::3/port=12345/vni=42", url("ff15::3", 12345, 42)),
            ("vxvde://ff15::3/v6", url("ff15::3", 14789, 1)),
            ("vxvde://234.0.0.1/grp=1000", url("234.0.3.232", 14789, 1000)),
            ("vxvde://234.0.0.1/grp=1000/vni=7", url("234.0.3.232", 14789, 7)),
            ("vxvde://234.9.9.9/grp=0", url("234.0.0.0", 14789, 0)),
            ("vxvde:///grp=5/v6", url("ff05:56de::5", 14789, 5)),
            ("vxvde://ff15::aabb:ccdd:eeff/grp=1", url("ff15::aabb:cc00:1", 14789, 1)),
            ("vxvde://224.0.0.1/grp=16777215", url("224.255.255.255", 14789, 16_777_215)),
            ("vxvde://234.0.0.1/ttl=4", Url { ttl: Some(4), ..url("234.0.0.1", 14789, 1) }),
            ("vxvde://234.0.0.1/if=eth1", Url { underlay: Some("eth1".to_owned()), ..url("234.0.0.1", 14789, 1) }),
            (
                "vxvde:///vni=3/ttl=255/i=br-lan.7/port=65535",
                Url { ttl: Some(255), underlay: Some("br-lan.7".to_owned()), ..url("239.0.0.1", 65535, 3) },
            ),
            ("vxlan://", Url { scheme: Scheme::Vxlan, ..url("239.0.0.1", 4789, 1) }),
            ("vxlan://ff15::3/port=12345/vni=42", Url { scheme: Scheme::Vxlan, ..url("ff15::3", 12345, 42) }),
        ] {
            assert_eq!(Url::parse(text).as_ref(), Ok(&wanted), "{text}");
            assert_eq!(Url::lac(text), Some((wanted.port, wanted.vni)), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (text, objection) in [
            ("", "it must begin with vxvde:// (or vxlan:// for standard VXLAN), as in vxvde://234.0.0.1"),
            ("234.0.0.1", "it must begin with vxvde:// (or vxlan:// for standard VXLAN), as in vxvde://234.0.0.1"),
            ("://234.0.0.1", "\"://\" is not VXLAN; A LAC's url begins with vxvde:// or vxlan://"),
            (
                "vde:///tmp/switch",
                "\"vde://\" is not VXLAN; did you mean vxvde://? A LAC's url begins with vxvde:// or vxlan://",
            ),
            (
                "VXVDE://234.0.0.1",
                "\"VXVDE://\" is not VXLAN; did you mean vxvde://? A LAC's url begins with vxvde:// or vxlan://",
            ),
            ("udp://10.0.0.1", "\"udp://\" is not VXLAN; A LAC's url begins with vxvde:// or vxlan://"),
            (
                "vxvde://234.0.0.1/prot=1",
                "unknown option \"prot\"; did you mean \"port\"? Known options are port, vni, grp, ttl, v6, v4, if",
            ),
            (
                "vxvde://234.0.0.1/frobnicate",
                "unknown option \"frobnicate\"; known options are port, vni, grp, ttl, v6, v4, if",
            ),
            (
                "vxvde://234.0.0.1/PORT=1",
                "unknown option \"PORT\"; did you mean \"port\"? Known options are port, vni, grp, ttl, v6, v4, if",
            ),
            ("vxlan://239.0.0.1/grp=5", "unknown option \"grp\"; known options are port, vni, ttl, v6, v4, if"),
            ("vxvde://234.0.0.1/=5", "\"=5\" has no name of an option before \"=\""),
            ("vxvde://234.0.0.1/port=0", "port is \"0\": it must be a number from 1 to 65535"),
            ("vxvde://234.0.0.1/port=65536", "port is \"65536\": it must be a number from 1 to 65535"),
            ("vxvde://234.0.0.1/port=+1", "port is \"+1\": it must be a number from 1 to 65535"),
            ("vxvde://234.0.0.1/port", "port is \"\": it must be a number from 1 to 65535"),
            ("vxvde://234.0.0.1/port=http", "port is \"http\": it must be a number from 1 to 65535"),
            ("vxvde://234.0.0.1/port=1/port=2", "port is given twice; remove one of the two"),
            ("vxvde://234.0.0.1/ttl=0", "ttl is \"0\": it must be a number from 1 to 255"),
            ("vxvde://234.0.0.1/ttl=256", "ttl is \"256\": it must be a number from 1 to 255"),
            (
                "vxvde://234.0.0.1/vni=16777216",
                "vni is \"16777216\": it must be a number from 0 to 16777215 (a VNI has 24 bits)",
            ),
            (
                "vxvde://234.0.0.1/vni=users",
                "vni is \"users\": it must be a number from 0 to 16777215 (names of groups of users have other numbers on other \
                 hosts)",
            ),
            ("vxvde://234.0.0.1/grp", "grp is \"\": it must be a number from 0 to 16777215 (a VNI has 24 bits)"),
            (
                "vxvde://234.0.0.1/grp=4294967297",
                "grp is \"4294967297\": it must be a number from 0 to 16777215 (a VNI has 24 bits)",
            ),
            ("vxvde://234.0.0.1/if", "if has no value; name an interface, as in if=eth1"),
            ("vxvde://234.0.0.1/v6", "v6 contradicts the group 234.0.0.1; remove one of the two"),
            ("vxvde://ff15::3/v4", "v4 contradicts the group ff15::3; remove one of the two"),
            ("vxvde:///v6=1", "v6 is \"1\": it takes no value"),
            ("vxvde://234.0.0.1/if='eth1'", "nothing in it needs quotes or backslashes; remove them"),
        ] {
            assert_eq!(Url::parse(text).unwrap_err(), objection, "{text}");
        }
    }

    #[test]
    fn parts_of_the_sentence() {
        for (text, part) in [
            ("vxvde://234.0.0.1/rcvbuf=1M", "rcvbuf is for VDE's clients: it sizes a client's socket"),
            ("vxvde://234.0.0.1/hashsize=1", "hashsize is for VDE's clients"),
            ("vxvde://234.0.0.1/expiretime=1", "the kernel forgets an address after 300 s; remove it"),
            ("vxvde://234.0.0.1/b=10.0.0.1", "bind is for VDE's clients"),
            ("vxvde://10.0.0.1", "the group is \"10.0.0.1\": it is the address of one host"),
            ("vxvde://lan", "the group is \"lan\": it must be a multicast address"),
            ("vxvde://234.0.0.1:14789", "the group is \"234.0.0.1:14789\": it must be a multicast address"),
            ("vxvde://[ff15::3]", "it stands without brackets"),
            ("vxvde://224.0.0.1", "224.0.0.0/24 is for the protocols"),
            ("vxvde://224.9.9.9/grp=1", "grp=1 makes the group 224.0.0.1: 224.0.0.0/24 is for"),
        ] {
            let objection = Url::parse(text).unwrap_err();
            assert!(objection.contains(part), "{text}: {objection}");
        }
    }

    #[test]
    fn port_and_vni_can_be_told_of_many_that_are_refused() {
        for (text, lac) in [
            ("vxvde://nonsense/port=15000/vni=7/ttl=999/foo/hashsize=1", Some((15000, 7))),
            ("vxvde://234.0.0.1/grp=9/v4=x", Some((14789, 9))),
            ("vxlan:///if", Some((4789, 1))),
            ("vxvde://234.0.0.1/port=1/port=2", Some((2, 1))),
            ("vxvde://234.0.0.1/port=x", None),
            ("vxvde://234.0.0.1/vni=x", None),
            ("vde://x", None),
            ("", None),
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
            assert_eq!(Url::lac(text), lac, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(
            text in "\\PC*",
            near in "(vxvde|vxlan|vde)(://)?[0-9a-f.:]{0,12}(/(port|vni|grp|ttl|v6|v4|if|hashsize|p|)(=[0-9a-z]{0,9})?){0,5}",
        ) {
            for text in [text, near] {
                if let Ok(url) = Url::parse(&text) {
                    prop_assert!(url.group.is_multicast() && url.port > 0 && url.vni < 1 << 24 && url.ttl != Some(0));
                    prop_assert_eq!(Url::lac(&text), Some((url.port, url.vni)));
                }
            }
        }
    }
}
