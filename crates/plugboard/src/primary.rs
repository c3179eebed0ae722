//! The network that nodes must be on.

use shaping::networks::{GrammarError, NetworkSpec};

use crate::conf_dir::ConfDir;
use crate::network::Network;
use crate::usage::Usage;

/// The one that is mandatory where it is configured, as in WALT.
const USUAL: &str = "walt-net";

/// Refuses networks without the mandatory one, if there is such a one: `named` by the caller (nothing is, if that is empty), or the
/// usual one where it is configured. A container that has it already need not be given it again.
///
/// # Errors
/// A usage error that says who says so.
pub(crate) fn refuse_without(
    named: Option<&str>,
    specs: &[NetworkSpec],
    attached: &[&str],
    configured: &[Network],
    conf_dir: &ConfDir,
) -> anyhow::Result<()> {
    let is_configured = configured.iter().any(|network| network.name == USUAL);
    let Some(primary) = named.or(is_configured.then_some(USUAL)).filter(|name| !name.is_empty()) else { return Ok(()) };
    if specs.iter().any(|spec| spec.name == primary) || attached.contains(&primary) {
        return Ok(());
    }
    let reason = match named {
        Some(_) => "--primary or PLUGBOARD_PRIMARY names it".to_owned(),
        None => format!("{conf_dir} configures it"),
    };
    let missing = GrammarError::PrimaryMissing(primary.to_owned());
    Err(Usage::new(format!(
        "{missing} It is mandatory because {reason}: put it into the list, name another network with --primary or \
         PLUGBOARD_PRIMARY, or none with --primary ''"
    ))
    .into())
}
