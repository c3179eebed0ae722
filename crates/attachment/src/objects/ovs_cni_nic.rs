//! What ovs-cni has made for an attachment.

use netlink::link;
use ovsdb::operation::{equals, includes, mutate};
use ovsdb::{Row, value};
use serde_json::Value;

use crate::switch::{for_switch, is_of_ovs_cni, of_ovs_cni, vsctl};
use crate::{Device, Difference, Error, Identity, Kind, Object, Session, Side, Stage, Tag};

static KIND: Kind = Kind::of_a_link("what ovs-cni made");

/// What ovs-cni has made for an attachment: a veth pair and its port. It is only removed. The port tells the namespace and the
/// interface.
#[derive(Debug)]
pub struct OvsCniNic {
    /// The attachment.
    pub identity: Identity,
    /// The path of the container's namespace, as ovs-cni was given it.
    pub netns: Option<String>,
    /// The links of the host that the result lists.
    pub listed: Vec<String>,
}

impl OvsCniNic {
    /// By the path of the namespace, which is all that ovs-cni itself goes by; without it, by the result.
    fn rows(&self, session: &mut Session) -> Result<Vec<Row>, Error> {
        let interface = self.identity.if_name();
        let conditions: Vec<Value> = match &self.netns {
            Some(netns) => vec![includes("external_ids", value::map(of_ovs_cni(netns, interface)))],
            None => self.listed.iter().map(|name| equals("name", name.as_str())).collect(),
        };
        let mut rows = Vec::new();
        for condition in conditions {
            let columns = ["_uuid", "name", "external_ids"];
            rows.extend(session.switch()?.rows("look up what ovs-cni made", "Port", &[condition], &columns)?);
        }
        rows.retain(|row| {
            let ids = row.map("external_ids");
            is_of_ovs_cni(&ids) && ids.get("contIface") == Some(&interface)
        });
        // Another container may have come to the path since, whose result then lists another link.
        if !self.listed.is_empty() {
            rows.retain(|row| row.text("name").is_some_and(|name| self.listed.iter().any(|listed| listed == name)));
        }
        Ok(rows)
    }
}

impl Object for OvsCniNic {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Port
    }

    fn create(&self, _session: &mut Session) -> Result<(), Error> {
        Err(Error::Invalid("what ovs-cni made is only removed (a bug in the plugin)".to_owned()))
    }

    fn differences(&self, _session: &mut Session) -> Result<Vec<Difference>, Error> {
        Ok(Vec::new())
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        for row in self.rows(session)? {
            let (Some(uuid), Some(name)) = (row.uuid(), row.text("name")) else { continue };
            let port = value::set([value::uuid(&uuid)]);
            let operation = mutate("Bridge", &[], "ports", "delete", port);
            session.switch()?.change(&format!("remove port {name} of ovs-cni"), [operation])?;
            let link = session.find(&Device::host(name))?.filter(|link| link.kind == "veth" && !Tag::is_ours(link));
            if link.is_some() {
                session.remove(Side::Host, format!("remove {name}"), link::delete(name))?;
            }
        }
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        Vec::new()
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let mut commands = Vec::new();
        for row in self.rows(session)? {
            let Some(name) = row.text("name") else { continue };
            commands.push(vsctl(&format!("--if-exists del-port {name}")));
            if session.find(&Device::host(name))?.is_some_and(|link| link.kind == "veth" && !Tag::is_ours(&link)) {
                session.count_as_gone(name);
                commands.push(format!("ip link delete {name}"));
            }
        }
        for_switch(session, commands)
    }
}
