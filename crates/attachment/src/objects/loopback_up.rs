//! The container's loopback device being up.

use netlink::link;

use super::Loopback;
use crate::{Difference, Error, Kind, Object, Session, Side, Stage, Step};

static KIND: Kind = Kind::of_a_link("loopback device");

/// The container's loopback device is up: the kernel delivers what a container sends to its own addresses through it. It is no
/// attachment's ([`Loopback`] is), and stays up.
#[derive(Debug)]
pub struct LoopbackUp;

impl LoopbackUp {
    fn is_down(session: &mut Session) -> Result<bool, Error> {
        Ok(session.find(&Loopback::device())?.is_some_and(|link| !link.is_up))
    }
}

/// A link of the container's is up besides.
fn is_container_used(session: &mut Session) -> Result<bool, Error> {
    let links =
        link::list(session.socket(Side::Container)?).map_err(Error::refused("list the links of the container"))?;
    Ok(links.iter().any(|link| link.is_up && !link.is_loopback))
}

impl Object for LoopbackUp {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Ready
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        if !Self::is_down(session)? {
            return Ok(());
        }
        session.on_undo_unless(is_container_used, |session| {
            let action = format!("set {} down again", Loopback::device());
            session.queue(Step::change(Side::Container, action, link::set_down(Loopback::NAME)));
            Ok(())
        });
        let action = format!("set {} up", Loopback::device());
        session.queue(Step::change(Side::Container, action, link::set_up(Loopback::NAME)));
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        Ok(match Self::is_down(session)? {
            true => vec![Difference::new(format!("interface {}", Loopback::device()), "up", "down")],
            false => Vec::new(),
        })
    }

    /// Others may rely on it by now.
    fn remove(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("{} link set {} up", Loopback::device().tool("ip"), Loopback::NAME)]
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let is_closed = !session.has_container();
        Ok(if is_closed || Self::is_down(session)? { self.commands() } else { Vec::new() })
    }
}
