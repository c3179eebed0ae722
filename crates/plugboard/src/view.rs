//! An attachment as it is shown.

use std::io;
use std::net::IpAddr;

use cni::{Success, Version};
use serde::Serialize;
use serde_json::Value;

use crate::cache::Entry;
use crate::limits;
use crate::network::{Network, Plugin};
use crate::ports::{self, Port};
use crate::state::State;
use crate::table;

/// What people and scripts want to know of an attachment. Strings are empty if there is nothing to tell.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View {
    container_id: String,
    netns: String,
    if_name: String,
    network: String,
    state: State,
    mac: String,
    addresses: Vec<String>,
    limits: String,
    host_interface: String,
    ports: Vec<Port>,
    /// The result of ADD; null if ADD has not finished.
    result: Option<Value>,
}

impl View {
    pub(crate) fn of(entry: &Entry, state: State) -> Self {
        let Entry { network, attachment, result, .. } = entry;
        let mut seen = result.as_ref().map(|result| Interfaces::of(result, &attachment.if_name)).unwrap_or_default();
        // The bridge alone is before it then.
        if Network::from_cache(&entry.config).is_ok_and(|list| list.plugins.iter().any(Plugin::makes_internal_port)) {
            seen.host_interface.clear();
        }
        Self {
            container_id: attachment.container_id.clone(),
            netns: attachment.netns.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
            if_name: attachment.if_name.clone(),
            network: network.clone(),
            state,
            mac: seen.mac,
            addresses: seen.addresses,
            limits: limits::describe(&entry.config, attachment),
            host_interface: seen.host_interface,
            ports: ports::published(&entry.config, attachment),
            result: result.clone(),
        }
    }

    /// The interface's hardware address; empty where the result names none.
    pub(crate) fn mac(&self) -> &str {
        &self.mac
    }

    /// The interface's addresses, without the lengths of their prefixes.
    pub(crate) fn ip_addresses(&self) -> Vec<IpAddr> {
        self.addresses.iter().filter_map(|address| address.split('/').next()?.parse().ok()).collect()
    }

    /// The host's end of the interface; empty where the result names none.
    pub(crate) fn host_interface(&self) -> &str {
        &self.host_interface
    }
}

/// What a result says about an interface.
#[derive(Debug, Default)]
struct Interfaces {
    mac: String,
    addresses: Vec<String>,
    host_interface: String,
}

impl Interfaces {
    fn of(result: &Value, if_name: &str) -> Self {
        let version = result
            .as_object()
            .and_then(|object| keys::find(object, "cniVersion"))
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok());
        let Ok(success) = Success::from_value(result, version.unwrap_or(Version::LATEST)) else {
            return Self::default();
        };
        let inside = |interface: &cni::Interface| interface.name == if_name && !interface.sandbox.is_empty();
        let index = success.interfaces.iter().position(inside);
        let ours = index.and_then(|index| success.interfaces.get(index));
        let addresses = success.ips.iter().filter(|ip| ip.interface.is_none() || ip.interface == index);
        // RES-20: a bridge comes before the host's end of the pair, and that before the container's.
        let on_host = success.interfaces.iter().take(index.unwrap_or(usize::MAX)).rfind(|one| one.sandbox.is_empty());
        Self {
            mac: ours.map(|interface| interface.mac.clone()).unwrap_or_default(),
            addresses: addresses.map(|ip| ip.address.to_string()).collect(),
            host_interface: on_host.map(|interface| interface.name.clone()).unwrap_or_default(),
        }
    }
}

/// One line per interface: name, network, addresses, MAC, limits, and where there are any, published ports.
pub(crate) fn print_attached(views: &[View]) -> io::Result<()> {
    print_rows(views, None, |view| {
        [&view.if_name, &view.network, &view.addresses.join(","), &view.mac, &view.limits].map(|text| or_dash(text))
    })
}

/// A table with a heading.
pub(crate) fn print_table(views: &[View]) -> io::Result<()> {
    let heading = ["CONTAINER", "INTERFACE", "NETWORK", "STATE", "MAC", "ADDRESSES", "LIMITS", "HOST INTERFACE"];
    print_rows(views, Some(heading), |view| {
        let View { container_id, if_name, network, mac, limits, host_interface, .. } = view;
        let (state, addresses) = (view.state.to_string(), view.addresses.join(","));
        [container_id, if_name, network, &state, mac, &addresses, limits, host_interface].map(|text| or_dash(text))
    })
}

/// The cells of each interface. Published ports are a last column, which is left out where there are none.
fn print_rows<const N: usize>(
    views: &[View],
    heading: Option<[&str; N]>,
    cells: impl Fn(&View) -> [String; N],
) -> io::Result<()> {
    let has_ports = views.iter().any(|view| !view.ports.is_empty());
    let with_ports = |cells: [String; N], ports: String| {
        cells.into_iter().chain(has_ports.then_some(ports)).collect::<Vec<String>>()
    };
    let heading = heading.map(|heading| with_ports(heading.map(str::to_owned), "PORTS".to_owned()));
    let rows = views.iter().map(|view| with_ports(cells(view), or_dash(&ports::in_words(&view.ports))));
    table::print_lines(heading.into_iter().chain(rows))
}

pub(crate) fn print_json(views: &[View]) -> io::Result<()> {
    table::print_json(&views)
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attachment::Attachment;
    use serde_json::json;

    fn view(result: Value) -> View {
        view_of(Vec::new(), result)
    }

    fn view_of(config: Vec<u8>, result: Value) -> View {
        let attachment =
            Attachment { container_id: "c1".to_owned(), if_name: "eth0".to_owned(), ..Attachment::default() };
        let entry = Entry { network: "lan".to_owned(), attachment, config, result: Some(result), namespace_id: None };
        View::of(&entry, State::Attached)
    }

    #[test]
    fn the_hosts_end_is_the_one_before_the_containers() {
        let view = view(json!({"cniVersion": "1.0.0", "interfaces": [
            {"name": "br0", "mac": "02:00:00:00:00:01"}, {"name": "veth1", "mac": "02:00:00:00:00:02"},
            {"name": "eth0", "mac": "02:00:00:00:00:03", "sandbox": "/run/netns/c1"}, {"name": "ifb1"}],
            "ips": [{"address": "10.1.0.5/24", "interface": 2}, {"address": "fd00::5/64", "interface": 2},
                {"address": "10.9.0.1/24", "interface": 0}]}));
        assert_eq!(view.mac, "02:00:00:00:00:03");
        assert_eq!(view.addresses, ["10.1.0.5/24", "fd00::5/64"]);
        assert_eq!(view.host_interface, "veth1");
    }

    #[test]
    fn an_internal_port_has_no_end_on_the_host() {
        for (nic, expected) in [("internal", ""), ("veth", "br0")] {
            let config = json!({"cniVersion": "1.0.0", "name": "lan", "plugins": [{"type": "ovs-port", "nic": nic}]});
            let result = json!({"cniVersion": "1.0.0", "interfaces": [
                {"name": "br0"}, {"name": "eth0", "mac": "02:00:00:00:00:03", "sandbox": "/run/netns/c1"}]});
            let view = view_of(config.to_string().into_bytes(), result);
            assert_eq!((view.mac.as_str(), view.host_interface.as_str()), ("02:00:00:00:00:03", expected));
        }
    }

    #[test]
    fn a_result_of_the_first_version_has_addresses_only() {
        let view = view(json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.5/24"}}));
        assert_eq!((view.mac.as_str(), view.host_interface.as_str()), ("", ""));
        assert_eq!(view.addresses, ["10.1.0.5/24"]);
    }
}
