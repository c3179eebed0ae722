use crate::{Background, Host, Namespace, sh, wait_until};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

/// A client of VDE in user space, connected to a network of VDE such as `vxvde://234.0.0.1`. It ends with this value.
#[derive(Debug)]
pub struct VdeClient {
    /// The namespace that has its interface.
    pub namespace: Namespace,
    /// Its interface.
    pub interface: String,
    _process: Background,
}

impl VdeClient {
    /// Connects a new TAP device of a host by `vde_plug`, and gives it an address such as `10.0.0.254/24`.
    pub fn tap(host: &Namespace, device: &str, url: &str, address: &str) -> Self {
        host.sh(&format!("ip tuntap add {device} mode tap && ip address add {address} dev {device}")).ok();
        host.sh(&format!("ip link set {device} up")).ok();
        let process = host.spawn(&format!("exec vde_plug tap://{device} {url}"));
        let client = Self { namespace: host.clone(), interface: device.to_owned(), _process: process };
        client.wait_for_carrier();
        client
    }

    /// Starts `vdens` on a host: a namespace `name` whose only interface is `vde0`, with an address such as `10.0.0.20/24`.
    pub fn namespace(owner: &Host, host: &Namespace, name: &str, url: &str, address: &str) -> Self {
        let mut process = host.spawn(&format!("exec vdens {url} sh -c 'echo $$; exec sleep infinity'"));
        let stdout = process.child().stdout.take();
        let mut lines = BufReader::new(stdout.unwrap_or_else(|| panic!("vdens's stdout is not ours"))).lines();
        let Some(Ok(inside)) = lines.next() else { panic!("vdens {url} on {} has ended", host.name) };
        sh(&format!("ip netns attach {name} {inside}")).ok();
        let namespace = owner.know(Namespace { name: name.to_owned(), path: PathBuf::from("/run/netns").join(name) });
        namespace.sh(&format!("ip link set lo up && ip address add {address} dev vde0 && ip link set vde0 up")).ok();
        let client = Self { namespace, interface: "vde0".to_owned(), _process: process };
        client.wait_for_carrier();
        client
    }

    /// A TAP device has a carrier while a process has opened it.
    fn wait_for_carrier(&self) {
        let what = format!("{} of {} is connected to VDE", self.interface, self.namespace.name);
        wait_until(&what, || {
            let link = self.namespace.ip(&format!("link show dev {}", self.interface));
            let flags = link[0]["flags"].as_array().cloned().unwrap_or_default();
            flags.iter().any(|flag| flag == "LOWER_UP")
        });
    }
}
