//! What there is of the encryption of a UDP port, for people.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use netlink::xfrm::State;

use super::found::{Installed, request_id};
use crate::{Error, Session};

/// What there is of the encryption of a UDP port, for people. Nothing of it is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EspSummary {
    /// The SPIs that are sent with, by destination.
    pub sent: BTreeMap<IpAddr, BTreeSet<u32>>,
    /// How many keys are heard for as long as the LAC is there.
    pub keys_heard: usize,
    /// For how long, from now, a key that was replaced is heard still.
    pub old_for: Option<Duration>,
}

/// What there is of the encryption of a UDP port on this host; `None` if there is nothing.
///
/// # Errors
/// The kernel cannot be asked.
pub fn esp_summary(session: &mut Session, port: u16) -> Result<Option<EspSummary>, Error> {
    let installed = match Installed::of(session, Some(request_id(port))) {
        Err(Error::Unsupported { .. }) => return Ok(None),
        other => other?,
    };
    if installed.policies.is_empty() && installed.states.is_empty() {
        return Ok(None);
    }
    let locals = installed.locals();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut summary = EspSummary::default();
    let mut heard: BTreeMap<(IpAddr, IpAddr), usize> = BTreeMap::new();
    for State { id, source, expires_after, added_seconds, .. } in installed.states {
        match expires_after {
            _ if locals.contains(&source) => {
                summary.sent.entry(id.destination).or_default().insert(id.spi);
            }
            None => *heard.entry((source, id.destination)).or_default() += 1,
            Some(after) => {
                let left = (Duration::from_secs(added_seconds) + after).saturating_sub(now);
                summary.old_for = summary.old_for.max(Some(left));
            }
        }
    }
    summary.keys_heard = heard.into_values().max().unwrap_or_default();
    Ok(Some(summary))
}
