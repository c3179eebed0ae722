//! A link being up.

use netlink::child::Sort;
use netlink::link;

use crate::{Device, Difference, Error, Kind, Object, Remedy, Session, Stage, Step, Tag};

static KIND: Kind = Kind::of_a_link("link that is up");

/// A link that must be up.
#[derive(Debug)]
pub struct LinkUp {
    /// The link.
    pub device: Device,
}

impl Object for LinkUp {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Carrier
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let action = format!("set {} up", self.device);
        let device = self.device.clone();
        // All that the kernel says of a macvlan whose address another one on its link has, or the link itself (`macvlan_open`).
        let explain = move |error| match error {
            Error::Refused { source, .. } if matches!(source.errno(), Some(libc::EADDRINUSE | libc::EBUSY)) => {
                Error::Conflict {
                    object: format!("interface {device}"),
                    want: "it up".to_owned(),
                    have: "has a hardware address that another device on the same link has".to_owned(),
                    remedy: Remedy::act("choose another address"),
                }
            }
            error => error,
        };
        session.queue(Step::change(self.device.side, action, link::set_up(&self.device.name)).explained(explain));
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let what = format!("interface {}", self.device);
        Ok(match session.find(&self.device)? {
            None => vec![Difference::missing(what)],
            Some(link) if !link.is_up => vec![Difference::new(what, "up", "down")],
            // Whether its cable leads anywhere is not what ADD made.
            Some(link) if Tag::is_moved(&link) || Sort::KINDS.contains(&&*link.kind) => Vec::new(),
            Some(link) if !link.has_carrier => vec![Difference::new(what, "carrier", "no carrier")],
            Some(_) => Vec::new(),
        })
    }

    /// Goes with its link.
    fn remove(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("{} link set {} up", self.device.tool("ip"), self.device.name)]
    }
}
