//! Devices of the host that are neither there nor in the session's container: in any namespace that can be entered.

use std::path::Path;
use std::rc::Rc;

use netlink::link::{self, Link};
use netlink::{Namespace, Socket};

use crate::everywhere::everywhere;
use crate::give_back::{fetch, find_back, restore, restore_commands};
use crate::seal::is_sealed;
use crate::{Error, Moved, Session, Tag};

/// A device in a namespace.
pub(crate) struct Elsewhere {
    namespace: Rc<Namespace>,
    /// The device as it is there.
    pub(crate) link: Link,
}

impl Elsewhere {
    /// All that attachments of this host have taken over, of which `is_it` is true. A namespace that cannot be entered has none: it
    /// may be going.
    pub(crate) fn find(is_it: impl Fn(&Moved<'_>) -> bool) -> Result<Vec<Self>, Error> {
        let here = Namespace::own_inode();
        let is_of_here = |moved: &Moved<'_>| here.is_some() && moved.origin.namespace == here;
        let is_real = |moved: &Moved<'_>, link: &Link| link.kind.is_empty() || is_sealed(moved, &link.kind);
        let is_one = |moved: &Moved<'_>, link: &Link| is_of_here(moved) && is_it(moved) && is_real(moved, link);
        everywhere(|namespace, socket| {
            let links = link::list(socket).unwrap_or_default().into_iter();
            let links = links.filter(|link| Moved::of(link).is_some_and(|moved| is_one(&moved, link)));
            Ok(links.map(|link| Self { namespace: Rc::clone(namespace), link }).collect())
        })
    }

    /// The one that [`Elsewhere::find`] has found in the namespace at `path`, if it is still there.
    pub(crate) fn again(path: &Path, index: u32, alias: &str) -> Result<Option<Self>, Error> {
        let namespace = match Namespace::open(path) {
            Err(netlink::Error::NoNamespace(_)) => return Ok(None),
            opened => opened.map_err(Error::Namespace)?,
        };
        let mut socket = namespace.socket().map_err(Error::Namespace)?;
        let found = link::find_index(&mut socket, index).map_err(Error::refused(format!("look up link {index}")))?;
        let is_it = |link: &Link| Tag::is_moved(link) && link.alias.as_deref() == Some(alias);
        Ok(found.filter(is_it).map(|link| Self { namespace: Rc::new(namespace), link }))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.namespace.path()
    }

    /// [`Identity::host_name`](crate::Identity::host_name) of its attachment.
    pub(super) fn host_name(&self) -> String {
        Moved::of(&self.link).map(|moved| moved.host_name.to_owned()).unwrap_or_default()
    }

    /// Gives it back to the host, as what it was there.
    pub(crate) fn give_back(&self, session: &mut Session) -> Result<(), Error> {
        let mut socket: Socket = self.namespace.socket().map_err(Error::Namespace)?;
        let host_name = self.host_name();
        fetch(&mut socket, &self.link, &host_name)?;
        if let Some(ifb) = ifb_of(&mut socket, &host_name)? {
            let action = format!("remove {} in {}", ifb.name, self.path().display());
            socket.request(link::delete_index(ifb.index)).map_err(Error::refused(action))?;
        }
        find_back(session, &host_name, true)?.map_or(Ok(()), |link| restore(session, &link))
    }

    /// The commands that do the same.
    pub(super) fn commands(&self) -> Vec<String> {
        let path = self.namespace.path().display().to_string().replace('\'', r"'\''");
        give_back_commands(&format!("nsenter --net='{path}' ip"), &self.link, &self.host_name())
    }
}

/// The ifb of what the device received, which the plugin that makes it does not look for in other namespaces. Its name differs in the
/// second letter.
fn ifb_of(socket: &mut Socket, host_name: &str) -> Result<Option<Link>, Error> {
    let name = host_name.replacen("pb", "pi", 1);
    let found = link::find(socket, &name).map_err(Error::refused(format!("look up {name}")))?;
    Ok(found.filter(|link| link.kind == "ifb" && Tag::is_attachment(link)))
}

/// The commands by which a device comes back from where `tool` is `ip`, to the namespace of the shell that runs them.
pub(super) fn give_back_commands(tool: &str, link: &Link, host_name: &str) -> Vec<String> {
    let back = format!("{tool} link set {} netns $$ name {host_name}", link.name);
    let outside = Link { name: host_name.to_owned(), is_up: false, ..link.clone() };
    [vec![back], restore_commands(&outside)].concat()
}
