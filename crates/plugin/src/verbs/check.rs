//! CHECK.

use std::thread;
use std::time::Duration;

use attachment::{Description, Session};
use cni::{Call, Command, Error};

use crate::call::{identity, open_namespace, previous};
use crate::codes::all_met;
use crate::ipam::Ipam;
use crate::plugin::Plugin;

/// CHECK may come right after ADD, before the last carrier is up (CHK-7): it looks this often, with a pause between.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Takes no lock: it waits for nobody, and nobody waits for it.
///
/// # Errors
/// Code 104 with every difference; the delegate's own error.
pub(super) fn check<P: Plugin>(call: &Call) -> Result<(), Error> {
    let previous = previous(call)?;
    let mut plugin = P::read(call, identity(call))?;
    let mut session = Session::new(Some(open_namespace(call)?));
    P::connect(call, &mut session)?;
    let ipam = Ipam::find::<P>(call)?;
    let mut work = ipam.start(Command::Check, call)?;
    plugin.survey(call, &mut session)?;
    let expected = plugin.expect(call, previous)?;
    let mut description = plugin.describe()?;
    description.extend(plugin.addressing(&expected).into_items());
    let compared = compare::<P>(&mut session, &description);
    ipam.wait(&mut work)?;
    compared
}

/// With time to converge (CHK-7).
fn compare<P: Plugin>(session: &mut Session, description: &Description) -> Result<(), Error> {
    let mut attempt = 1;
    loop {
        let differences = attachment::differences(session, description).map_err(|error| P::error(&error))?;
        if differences.is_empty() || attempt == ATTEMPTS {
            return all_met(&differences);
        }
        attempt += 1;
        thread::sleep(PAUSE);
    }
}
