//! Rules of policy routing, for people.

use netlink::rule::Rule;

use crate::Device;

/// A rule of the container.
pub(super) fn label(rule: &Rule) -> String {
    format!("rule from {} lookup {} in the container", rule.source.ip(), rule.table)
}

/// The command that adds such a rule, or deletes it.
pub(super) fn command(verb: &str, rule: &Rule) -> String {
    let family = if rule.source.is_ipv4() { "" } else { " -6" };
    let protocol = rule.protocol.map(|number| format!(" protocol {number}")).unwrap_or_default();
    format!(
        "{}{family} rule {verb} from {} lookup {} priority {}{protocol}",
        Device::container("").tool("ip"),
        rule.source.ip(),
        rule.table,
        rule.priority
    )
}
