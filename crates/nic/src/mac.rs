//! Where the NIC's hardware address comes from.

use cni::{Call, Error};
use netlink::Mac;

/// The keys of `CNI_ARGS` that mean something to a plugin with a NIC or to its delegate.
const ARGS: &[&str] = &["MAC", "IP", "GATEWAY"];

/// The address that was asked for, from the nearest source (CAP-7); `configured` is the plugin's own key.
///
/// # Errors
/// Code 7 naming the source and the text that is not a valid address of a NIC (CAP-2).
pub(crate) fn asked(call: &Call, configured: Option<&str>) -> Result<Option<Mac>, Error> {
    call.environment.args.only(ARGS)?;
    let sources = [
        ("runtimeConfig.mac", call.config.capability::<String>("mac")?),
        ("args.cni.mac", call.config.arg::<String>("mac")?),
        ("MAC in CNI_ARGS", call.environment.args.get("MAC").map(str::to_owned)),
        ("mac", configured.map(str::to_owned)),
    ];
    let Some((source, text)) =
        sources.into_iter().find_map(|(source, text)| Some((source, text.filter(|text| !text.is_empty())?)))
    else {
        return Ok(None);
    };
    let mac: Mac = text.parse().map_err(|reason| Error::invalid_config(format!("{source}: {reason}")))?;
    if mac.is_usable() {
        Ok(Some(mac))
    } else {
        Err(Error::invalid_config(format!("{source}: {mac} is a group address or zero; a NIC needs another")))
    }
}
