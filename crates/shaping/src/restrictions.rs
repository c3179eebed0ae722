//! What stands in the brackets behind a network's name.

use crate::{Delay, Ip, Limits, Rate, RestrictionError};

/// What is asked for on one network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Restrictions {
    pub(crate) limits: Limits,
    pub(crate) preset: Option<String>,
    pub(crate) ip: Option<Ip>,
    pub(crate) mac: Option<String>,
}

/// Why a list of restrictions was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ListError {
    /// One of them is wrong by itself.
    #[error(transparent)]
    Restriction(#[from] RestrictionError),
    /// The same restriction twice; its key.
    #[error("'{0}' is given twice")]
    Twice(&'static str),
}

impl Restrictions {
    /// Reads `bw=100Mbps,lat=10ms`: at least one restriction, each key once, in any order. `lat=0ms` asks for no latency
    /// and yields none.
    pub(crate) fn parse(text: &str) -> Result<Self, ListError> {
        let mut all = Self::default();
        for restriction in text.split(',') {
            let malformed = || RestrictionError::malformed(restriction);
            let (key, value) = restriction.split_once('=').ok_or_else(malformed)?;
            match key.to_ascii_lowercase().as_str() {
                "bw" => {
                    let rate = Rate::from_restriction(value).map_err(|error| error.about(restriction))?;
                    set_once(&mut all.limits.bw, rate, "bw")?;
                }
                "lat" => {
                    let delay = Delay::from_restriction(value).map_err(|error| error.about(restriction))?;
                    set_once(&mut all.limits.lat, delay, "lat")?;
                }
                "ip" => set_once(&mut all.ip, Ip::parse(value).ok_or_else(malformed)?, "ip")?,
                "mac" if is_mac(value) => set_once(&mut all.mac, value.to_ascii_lowercase(), "mac")?,
                "preset" if is_word(value) => set_once(&mut all.preset, value.to_owned(), "preset")?,
                _ => return Err(malformed().into()),
            }
        }
        all.limits.lat = all.limits.lat.filter(|lat| !lat.is_zero());
        Ok(all)
    }
}

fn set_once<T>(slot: &mut Option<T>, value: T, key: &'static str) -> Result<(), ListError> {
    match slot.replace(value) {
        Some(_) => Err(ListError::Twice(key)),
        None => Ok(()),
    }
}

/// Six bytes as hexadecimal numbers with colons between, as ip-link(8) prints them.
fn is_mac(text: &str) -> bool {
    let is_byte = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split(':').count() == 6 && text.split(':').all(is_byte)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
