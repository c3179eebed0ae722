//! Limits that have several names.

/// Two names of one limit, of which a container has one.
const ALIASES: [(&str, &str); 2] = [("bw", "download.rate"), ("lat", "download.delay")];

/// The reference's names.
const REFERENCE: [(&str, &str); 4] = [
    ("ingressRate", "download.rate"),
    ("ingressBurst", "download.burst"),
    ("egressRate", "upload.rate"),
    ("egressBurst", "upload.burst"),
];

/// The other name of a limit.
pub(super) fn alias(key: &str) -> Option<&'static str> {
    ALIASES.iter().find_map(|(short, long)| match key {
        _ if key == *short => Some(*long),
        _ if key == *long => Some(*short),
        _ => None,
    })
}

/// The direction and the limit that a key is about, `download.loss` for `download.loss.percent`.
pub(super) fn long_name(key: &str) -> String {
    let known = ALIASES.iter().chain(&REFERENCE).find_map(|(name, long)| (key == *name).then_some(*long));
    known.map_or_else(|| key.split('.').take(2).collect::<Vec<_>>().join("."), str::to_owned)
}
