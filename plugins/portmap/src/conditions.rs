//! Conditions on connections, in words of iptables or of nft.

use std::slice::Iter;

use attachment::{Condition, Looked};
use ipnetwork::IpNetwork;
use keys::excerpt::quoted;
use netlink::link::NAME_BYTES;

/// What is understood, for people.
const KNOWN: &str = "[!] -s NETWORK, [!] -d NETWORK, [!] -i LINK and [!] --mark VALUE/MASK of iptables, and ip saddr, ip daddr, ip6 saddr, \
                     ip6 daddr, iifname and meta mark of nft, each with != if need be";

/// Reads the words of a key. A word may hold several, with blanks between them.
///
/// # Errors
/// Why they cannot be read: the word, and what is understood.
pub(crate) fn parse(words: &[String], is_ipv4: bool) -> Result<Vec<Condition>, String> {
    let mut single: Vec<&str> = Vec::new();
    for word in words {
        // A comment is one word, whatever is in it.
        if single.last() == Some(&"--comment") { single.push(word) } else { single.extend(word.split_whitespace()) }
    }
    let mut words = Words { rest: single.iter(), is_ipv4 };
    let mut conditions = Vec::new();
    while let Some(word) = words.rest.next() {
        conditions.extend(words.condition(word)?);
    }
    Ok(conditions)
}

struct Words<'a> {
    rest: Iter<'a, &'a str>,
    is_ipv4: bool,
}

impl<'a> Words<'a> {
    /// `None` for words that ask for nothing, such as a comment.
    fn condition(&mut self, word: &'a str) -> Result<Option<Condition>, String> {
        let is_not = word == "!";
        let option = if is_not { self.next(word)? } else { word };
        let what = match option {
            "-s" | "--source" | "--src" => Looked::Source(self.network(option)?),
            "-d" | "--destination" | "--dst" => Looked::Destination(self.network(option)?),
            "-i" | "--in-interface" => link(self.next(option)?, '+')?,
            "--mark" => self.mark(option)?,
            "-m" | "--match" if !is_not => {
                let module = self.next(option)?;
                return match module {
                    "comment" | "mark" => Ok(None),
                    _ => Err(not_understood(module)),
                };
            }
            "--comment" if !is_not => return self.next(option).map(|_| None),
            _ if is_not => return Err(not_understood(option)),
            _ => return self.of_nft(option).map(Some),
        };
        Ok(Some(Condition { what, is_not }))
    }

    fn of_nft(&mut self, word: &'a str) -> Result<Condition, String> {
        let field = match word {
            "ip" | "ip6" | "meta" => self.next(word)?,
            "iifname" => "",
            _ => return Err(not_understood(word)),
        };
        let mask = self.mask(field)?;
        let is_not = self.operator();
        let what = match (word, field) {
            ("ip" | "ip6", "saddr" | "daddr") if (word == "ip") != self.is_ipv4 => {
                return Err(format!("{word} {field} is of the other family"));
            }
            ("ip" | "ip6", "saddr") => Looked::Source(self.network(field)?),
            ("ip" | "ip6", "daddr") => Looked::Destination(self.network(field)?),
            ("iifname", _) => link(self.next(word)?.trim_matches('"'), '*')?,
            ("meta", "mark") => match (self.mark(field)?, mask) {
                (Looked::Mark { value, .. }, Some(mask)) => Looked::Mark { value, mask },
                (mark, _) => mark,
            },
            _ => return Err(not_understood(&format!("{word} {field}"))),
        };
        Ok(Condition { what, is_not })
    }

    /// The bits of a mark that are looked at: `& 0x10`.
    fn mask(&mut self, field: &str) -> Result<Option<u32>, String> {
        if field != "mark" || !matches!(self.rest.clone().next(), Some(&"&" | &"and")) {
            return Ok(None);
        }
        self.rest.next();
        let text = self.next("&")?;
        number(text).map(Some).ok_or_else(|| format!("{} is no mask, such as 0xf0", quoted(text)))
    }

    /// Whether what follows must not be so.
    fn operator(&mut self) -> bool {
        let next = self.rest.clone().next().copied();
        if matches!(next, Some("==" | "!=")) {
            self.rest.next();
        }
        next == Some("!=")
    }

    fn next(&mut self, after: &str) -> Result<&'a str, String> {
        self.rest.next().copied().ok_or_else(|| format!("something must follow {}", quoted(after)))
    }

    fn network(&mut self, after: &str) -> Result<IpNetwork, String> {
        let text = self.next(after)?;
        let network: IpNetwork = text.parse().map_err(|_| format!("{} is no address or network", quoted(text)))?;
        match network.is_ipv4() == self.is_ipv4 {
            true => Ok(network),
            false => Err(format!("{} is of the other family", quoted(text))),
        }
    }

    fn mark(&mut self, after: &str) -> Result<Looked, String> {
        let text = self.next(after)?;
        let (value, mask) = text.split_once('/').map_or((text, None), |(value, mask)| (value, Some(mask)));
        match (number(value), mask.map_or(Some(u32::MAX), number)) {
            (Some(value), Some(mask)) => Ok(Looked::Mark { value, mask }),
            _ => Err(format!("{} is no mark, such as 0x10 or 0x10/0xf0", quoted(text))),
        }
    }
}

/// A number as both tools read it: hexadecimal behind `0x`, octal behind `0`.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

/// The name of a link, or the beginning of several, which iptables and nft mark in different ways.
fn link(name: &str, any: char) -> Result<Looked, String> {
    let beginning = name.strip_suffix(any);
    let plain = beginning.unwrap_or(name);
    if plain.is_empty() || plain.len() > NAME_BYTES || plain.contains('/') {
        return Err(format!("{} is the name of no link", quoted(name)));
    }
    Ok(Looked::Link(if beginning.is_some() { format!("{plain}*") } else { plain.to_owned() }))
}

fn not_understood(words: &str) -> String {
    format!("{} is not understood; what is: {KNOWN}", quoted(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], is_ipv4: bool) -> Result<Vec<Condition>, String> {
        parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), is_ipv4)
    }

    fn network(text: &str) -> IpNetwork {
        text.parse().unwrap()
    }

    #[test]
    fn words_of_both_tools_mean_the_same() {
        for (iptables, nft, is_ipv4, what, is_not) in [
            (
                vec!["!", "-d", "192.0.2.0/24"],
                vec!["ip daddr != 192.0.2.0/24"],
                true,
                Looked::Destination(network("192.0.2.0/24")),
                true,
            ),
            (
                vec!["-s", "192.0.2.7"],
                vec!["ip", "saddr", "192.0.2.7"],
                true,
                Looked::Source(network("192.0.2.7/32")),
                false,
            ),
            (
                vec!["! --dst 2001:db8::/32"],
                vec!["ip6", "daddr", "!=", "2001:db8::/32"],
                false,
                Looked::Destination(network("2001:db8::/32")),
                true,
            ),
            (vec!["-i", "eth+"], vec!["iifname", "==", "\"eth*\""], true, Looked::Link("eth*".to_owned()), false),
            (
                vec!["-m", "mark", "!", "--mark", "0x10/0x10"],
                vec!["meta mark != 16/0x10"],
                true,
                Looked::Mark { value: 16, mask: 16 },
                true,
            ),
        ] {
            let expected = vec![Condition { what, is_not }];
            assert_eq!(read(&iptables, is_ipv4).unwrap(), expected);
            assert_eq!(read(&nft, is_ipv4).unwrap(), expected);
        }
        let several =
            read(&["-s", "10.0.0.0/8", "-m", "comment", "--comment", "ours", "!", "-i", "eth1"], true).unwrap();
        assert_eq!(several.len(), 2);
        assert_eq!(read(&[], true).unwrap(), []);
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for (words, is_ipv4, beginning) in [
            (vec!["-j", "ACCEPT"], true, "\"-j\" is not understood; what is: "),
            (vec!["-m", "set"], true, "\"set\" is not understood"),
            (vec!["!", "ip"], true, "\"ip\" is not understood"),
            (vec!["-d"], true, "something must follow \"-d\""),
            (vec!["ip", "ttl", "1"], true, "\"ip ttl\" is not understood"),
            (vec!["-d", "2001:db8::/32"], true, "\"2001:db8::/32\" is of the other family"),
            (vec!["ip6 daddr ::1"], true, "ip6 daddr is of the other family"),
            (vec!["-d", "somewhere"], true, "\"somewhere\" is no address or network"),
            (vec!["--mark", "x"], false, "\"x\" is no mark"),
            (vec!["--mark", "08"], false, "\"08\" is no mark"),
            (vec!["-i", "+"], true, "\"+\" is the name of no link"),
            (vec!["! -i abcdefghijklmnopqrst"], true, "\"abcdefghijklmnopqrst\" is the name of no link"),
        ] {
            let objection = read(&words, is_ipv4).unwrap_err();
            assert!(objection.starts_with(beginning), "{words:?}: {objection}");
        }
    }
}
