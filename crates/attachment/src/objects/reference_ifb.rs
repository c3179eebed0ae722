//! The ifb of the reference plugin `bandwidth`.

use netlink::link::{self, Link};

use super::{Redirect, ifb};
use crate::sha512::digits;
use crate::{Device, Difference, Error, Identity, Kind, Object, Session, Side, Stage, Tag};

static KIND: Kind = Kind::found("ifb of the reference plugin");

/// The device through which what a container sends is limited by the reference plugin. It is only removed.
#[derive(Debug)]
pub struct ReferenceIfb {
    name: String,
    /// A device that it may serve. `None` where a result says whose it is.
    serves: Option<Vec<String>>,
}

impl ReferenceIfb {
    /// The name of that of a container in a network: `bwp` and a hash (`getIfbDeviceName` in `plugins/meta/bandwidth/main.go`).
    #[must_use]
    pub fn name_of(identity: &Identity) -> String {
        format!("bwp{}", digits(&format!("{}{}", identity.network(), identity.container_id()), 12))
    }

    /// That of an attachment, which the result of its ADD lists.
    #[must_use]
    pub fn listed(identity: &Identity) -> Self {
        Self { name: Self::name_of(identity), serves: None }
    }

    /// That of an attachment whose result is not known. The container may have further interfaces in the network, one of which it
    /// may serve: it is the attachment's if it serves none but this device, the NIC's end on the host.
    #[must_use]
    pub fn serving(identity: &Identity, device: Option<String>) -> Self {
        Self { name: Self::name_of(identity), serves: Some(device.into_iter().collect()) }
    }

    fn device(&self) -> Device {
        Device::host(&self.name)
    }

    /// It is there, and may go.
    fn find(&self, session: &mut Session) -> Result<Option<Link>, Error> {
        let found = session.find(&self.device())?.filter(|link| link.kind == "ifb" && !Tag::is_ours(link));
        let (Some(link), Some(serves)) = (&found, &self.serves) else { return Ok(found) };
        for other in session.host_links()?.iter().filter(|other| ifb::may_lead(other)) {
            let redirect = Redirect { from: Device::host(&other.name), to: self.device() };
            if !serves.contains(&other.name) && redirect.leads_to(other.index, link.index, session)? {
                return Ok(None);
            }
        }
        Ok(found)
    }
}

impl Object for ReferenceIfb {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Nic
    }

    fn create(&self, _session: &mut Session) -> Result<(), Error> {
        Err(Error::Invalid("what the reference plugin made is only removed (a bug in the plugin)".to_owned()))
    }

    fn differences(&self, _session: &mut Session) -> Result<Vec<Difference>, Error> {
        Ok(Vec::new())
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let Some(link) = self.find(session)? else { return Ok(()) };
        ifb::unhook(session, &self.device(), link.index)?;
        session.remove(Side::Host, format!("remove {}", self.name), link::delete(&self.name))
    }

    fn commands(&self) -> Vec<String> {
        Vec::new()
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        match self.find(session)? {
            Some(_) => ifb::removal_of(session, &self.device()),
            None => Ok(Vec::new()),
        }
    }
}
