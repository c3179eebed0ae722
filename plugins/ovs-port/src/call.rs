//! A call as the port needs it: completed by the flat file, with what ovs-cni's users say for one attachment.

use cni::{Call, Config, Error};

use crate::flat_file;

/// A call with all keys, and the logical port of OVN.
pub(crate) struct Completed {
    pub(crate) call: Call,
    /// From `args.cni`, `CNI_ARGS` or the configuration, in this order.
    pub(crate) ovn_port: Option<String>,
}

impl Completed {
    /// `mac` and `ovnPort` count in any letter case in `CNI_ARGS`, as with ovs-cni.
    ///
    /// # Errors
    /// Code 7 naming the file or the key.
    pub(crate) fn of(call: &Call) -> Result<Self, Error> {
        let (completed, objection) = Self::leniently(call);
        objection.map_or(Ok(completed), Err)
    }

    /// The same as far as it can be read, for removals, and what is wrong with the rest.
    pub(crate) fn leniently(call: &Call) -> (Self, Option<Error>) {
        let mut call = without_results(call);
        let mut objection = flat_file::complete(&mut call.config.object).err();
        let args = &mut call.environment.args;
        if let Some(mac) = args.take("MAC") {
            args.set("MAC", mac);
        }
        let by_environment = args.take("ovnPort");
        let configured = keys::find(&call.config.object, "ovnPort").and_then(|port| port.as_str()).map(str::to_owned);
        let by_args = call.config.arg::<String>("ovnPort").unwrap_or_else(|error| {
            objection.get_or_insert(error);
            None
        });
        let mut given = [by_args, by_environment, configured].into_iter().flatten();
        let ovn_port = given.find(|port| !port.is_empty());
        (Self { call, ovn_port }, objection)
    }

    /// The bridge that the configuration names; for a port of OVN its own, unless another one is named.
    pub(crate) fn bridge(&self) -> Option<String> {
        let named = keys::find(&self.call.config.object, "bridge").and_then(|name| name.as_str());
        let named = named.filter(|name| !name.is_empty()).map(str::to_owned);
        named.or_else(|| self.ovn_port.as_ref().map(|_| "br-int".to_owned()))
    }
}

/// The call without what may be large and is not asked for here: the result of earlier plugins, and the list of attachments.
fn without_results(call: &Call) -> Call {
    let config = &call.config;
    let is_large = |key: &str| keys::is_spelled("prevResult", key) || key.starts_with("cni.dev/");
    let object = config.object.iter().filter(|(key, _)| !is_large(key));
    Call {
        environment: call.environment.clone(),
        config: Config {
            version: config.version,
            name: config.name.clone(),
            kind: config.kind.clone(),
            ipam: config.ipam.clone(),
            prev_result: None,
            valid_attachments: None,
            ipam_objection: None,
            ignored: Vec::new(),
            object: object.map(|(key, value)| (key.clone(), value.clone())).collect(),
            text: Vec::new(),
        },
    }
}
