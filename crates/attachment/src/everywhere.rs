//! Other network namespaces of the machine, for calls that know no container.

use std::rc::Rc;

use netlink::{Namespace, Socket};

use crate::Error;

/// What `look` finds in each network namespace that can be reached ([`Namespace::reachable`]), by a socket there. One that cannot be
/// entered has nothing: it is another user's, or it is going.
///
/// # Errors
/// Those of `look`; the thread cannot come back.
pub(crate) fn everywhere<T>(
    mut look: impl FnMut(&Rc<Namespace>, &mut Socket) -> Result<Vec<T>, Error>,
) -> Result<Vec<T>, Error> {
    let mut found = Vec::new();
    for namespace in Namespace::reachable().map(Rc::new) {
        match namespace.socket() {
            Ok(mut socket) => found.extend(look(&namespace, &mut socket)?),
            Err(netlink::Error::Namespace { path, .. }) if path == namespace.path() => {}
            Err(error) => return Err(Error::Namespace(error)),
        }
    }
    Ok(found)
}
