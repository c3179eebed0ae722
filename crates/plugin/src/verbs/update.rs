//! UPDATE, an extension of ours.

use attachment::Session;
use cni::{Call, Error};

use crate::call::{identity, open_namespace, previous, serialise};
use crate::codes::with_more_details;
use crate::plugin::Plugin;
use crate::streams::tell;

/// Changes existing objects into what the configuration now says, without taking anything down. If a part fails, all are changed
/// back.
///
/// # Errors
/// What cannot be changed in use, or could not be.
pub(super) fn update<P: Plugin>(call: &Call) -> Result<(), Error> {
    previous(call)?;
    let identity = identity(call);
    let mut plugin = P::read(call, identity.clone())?;
    let _alone = serialise(call, &identity)?;
    let mut session = Session::new(Some(open_namespace(call)?));
    P::connect(call, &mut session)?;
    plugin.survey(call, &mut session)?;
    let description = plugin.changeable()?;
    let updated = attachment::update(&mut session, &description).map_err(|failed| {
        let left = failed
            .left
            .iter()
            .map(|error| format!("the previous state could not be restored: {}", P::error(error).msg));
        with_more_details(P::error(&failed.error), &left.collect::<Vec<_>>())
    });
    tell(&mut session);
    updated
}
