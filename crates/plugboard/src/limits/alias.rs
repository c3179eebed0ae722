//! Limits that have two names.

/// Two names of one limit.
const ALIASES: [(&str, &str); 2] = [("bw", "download.rate"), ("lat", "download.delay")];

/// The other name of a limit.
pub(super) fn alias(key: &str) -> Option<&'static str> {
    ALIASES.iter().find_map(|(short, long)| match key {
        _ if key == *short => Some(*long),
        _ if key == *long => Some(*short),
        _ => None,
    })
}
