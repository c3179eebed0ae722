//! `resolv.conf`, from which the result's `dns` is made; see resolv.conf(5).

use std::path::Path;

use cni::{Dns, Error};

use crate::error::io_error;
use cni::regular;

/// The longest file that is read, in bytes. resolv.conf(5) has some lines.
const LIMIT: u64 = 1 << 20;

/// Reads a file in the form of `resolv.conf`.
///
/// # Errors
/// Code 5 with the path.
pub(crate) fn read(path: &Path) -> Result<Dns, Error> {
    let content = regular::read(path, LIMIT).map_err(|cause| io_error(path, "read it for ipam.resolvConf", &cause))?;
    Ok(parse(&String::from_utf8_lossy(&content)))
}

/// Several lines of a kind add up, except for `domain`, of which the last counts; the reference reads it like this.
fn parse(text: &str) -> Dns {
    let mut dns = Dns::default();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(key), Some(first)) = (words.next(), words.next()) else {
            continue;
        };
        match key.as_str() {
            "nameserver" => dns.nameservers.push(first),
            "domain" => dns.domain = first,
            "search" => dns.search.extend(std::iter::once(first).chain(words)),
            "options" => dns.options.extend(std::iter::once(first).chain(words)),
            _ => {}
        }
    }
    dns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line() {
        let dns = parse(
            "# comment\n; comment\n\nnameserver 192.0.2.1\n  nameserver\t2001:db8::1 extra\nnameserver\ndomain a.test\n\
             domain b.test\nsearch x.test y.test\nsearch z.test\noptions ndots:5 edns0\nsortlist 10.0.0.0\nfoo bar\n",
        );
        assert_eq!(dns.nameservers, ["192.0.2.1", "2001:db8::1"]);
        assert_eq!(dns.domain, "b.test");
        assert_eq!(dns.search, ["x.test", "y.test", "z.test"]);
        assert_eq!(dns.options, ["ndots:5", "edns0"]);
    }
}
