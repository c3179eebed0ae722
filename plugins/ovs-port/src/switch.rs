//! Which switch: where its database is, and how long it may take.

use std::path::PathBuf;
use std::time::Duration;

use attachment::{Session, SwitchDatabase};
use cni::{Call, Command, Error};
use keys::SwitchKeys;
use ovsdb::{Remote, Tls};

use crate::call::Completed;

/// What ovs-cni takes where only one of the two is given (`link_state_check_retries`, `link_state_check_interval`).
const RETRIES: u32 = 5;
const INTERVAL_MS: u32 = 1000;

/// Tells a session which switch the configuration means. Where it means none, the session has none.
///
/// # Errors
/// Code 7 naming the key.
pub(crate) fn connect(call: &Call, session: &mut Session) -> Result<(), Error> {
    let named = database(call);
    let (database, result) = match named {
        Ok(database) => (database, Ok(())),
        Err(error) => (SwitchDatabase::unknown(&error.msg), Err(error)),
    };
    session.use_switch(database).map_err(|error| nic::error(&error)).and(result)
}

/// A removal needs nothing but these keys, whatever is wrong with others; and a flat file only if it may name the switch.
fn database(call: &Call) -> Result<SwitchDatabase, Error> {
    let is_removal = matches!(call.environment.command, Command::Del | Command::Gc);
    let (completed, objection) = Completed::leniently(call);
    let is_named = keys::find(&call.config.object, "socket_file").is_some();
    if let Some(objection) = objection.filter(|_| !(is_removal && is_named)) {
        return Err(objection);
    }
    let keys: SwitchKeys = completed.call.config.keys()?;
    let text = keys.socket_file.as_deref().filter(|text| !text.is_empty());
    let tls = tls(&keys)?;
    let remote = text.map_or(Ok(Remote::default()), |text| Remote::parse(text, tls.as_ref()));
    let remote = remote.map_err(|error| Error::invalid_config(format!("socket_file: {error}")))?;
    Ok(SwitchDatabase::at(remote, waiting(&keys)))
}

/// The files of `ssl:`, as `ovs-vsctl` calls them.
fn tls(keys: &SwitchKeys) -> Result<Option<Tls>, Error> {
    let file = |path: &Option<String>| path.as_ref().filter(|path| !path.is_empty()).map(PathBuf::from);
    match (file(&keys.private_key), file(&keys.certificate), file(&keys.ca_cert)) {
        (None, None, None) => Ok(None),
        (Some(private_key), Some(certificate), Some(ca_certificate)) => {
            Ok(Some(Tls { private_key, certificate, ca_certificate }))
        }
        _ => Err(Error::invalid_config("private_key, certificate and ca_cert are given together or not at all")),
    }
}

fn waiting(keys: &SwitchKeys) -> Option<Duration> {
    let given = |value: u32| Some(value).filter(|value| *value > 0);
    let (retries, interval) = (given(keys.link_state_check_retries), given(keys.link_state_check_interval));
    if retries.is_none() && interval.is_none() {
        return None;
    }
    let (retries, interval) = (retries.unwrap_or(RETRIES), interval.unwrap_or(INTERVAL_MS));
    Some(Duration::from_millis(u64::from(retries) * u64::from(interval)))
}
