//! Which switch: where its database is, and how long it may take.

use std::path::PathBuf;
use std::time::Duration;

use attachment::{Session, SwitchDatabase};
use cni::{Call, Error};
use keys::OvsPortKeys;
use ovsdb::{Remote, Tls};

use crate::call::Completed;

/// What ovs-cni takes where only one of the two is given (`link_state_check_retries`, `link_state_check_interval`).
const RETRIES: u32 = 5;
const INTERVAL_MS: u32 = 1000;

/// Tells a session which switch the configuration means.
///
/// # Errors
/// Code 7 naming the key.
pub(crate) fn connect(call: &Call, session: &mut Session) -> Result<(), Error> {
    let keys: OvsPortKeys = Completed::of(call)?.call.config.keys()?;
    let text = keys.socket_file.as_deref().filter(|text| !text.is_empty());
    let tls = tls(&keys)?;
    let remote = text.map_or(Ok(Remote::default()), |text| Remote::parse(text, tls.as_ref()));
    let remote = remote.map_err(|error| Error::invalid_config(format!("socket_file: {error}")))?;
    session.use_switch(SwitchDatabase::at(remote, waiting(&keys))).map_err(|error| nic::error(&error))
}

/// The files of `ssl:`, as `ovs-vsctl` calls them.
fn tls(keys: &OvsPortKeys) -> Result<Option<Tls>, Error> {
    let file = |path: &Option<String>| path.as_ref().filter(|path| !path.is_empty()).map(PathBuf::from);
    match (file(&keys.private_key), file(&keys.certificate), file(&keys.ca_cert)) {
        (None, None, None) => Ok(None),
        (Some(private_key), Some(certificate), Some(ca_certificate)) => {
            Ok(Some(Tls { private_key, certificate, ca_certificate }))
        }
        _ => Err(Error::invalid_config("private_key, certificate and ca_cert are given together or not at all")),
    }
}

fn waiting(keys: &OvsPortKeys) -> Option<Duration> {
    let given = |value: u32| Some(value).filter(|value| *value > 0);
    let (retries, interval) = (given(keys.link_state_check_retries), given(keys.link_state_check_interval));
    if retries.is_none() && interval.is_none() {
        return None;
    }
    let (retries, interval) = (retries.unwrap_or(RETRIES), interval.unwrap_or(INTERVAL_MS));
    Some(Duration::from_millis(u64::from(retries) * u64::from(interval)))
}
