//! Containers of Podman, which calls plugins where its `network_backend` is `cni`: two networks in one container.

use std::path::{Path, PathBuf};

use harness::{Host, OpenVswitch, Snapshot, bin_dir, ip, ping, sh};
use integration::{page, remove_control_groups};
use serde_json::{Value, json};
use tests::world::{OUTSIDE, internet_of};

use crate::local_area_cloud::far_host;

/// Podman with directories of its own, which end with the host.
struct Podman {
    directory: PathBuf,
    control_group: String,
}

impl Podman {
    /// With a root of busybox alone.
    fn new() -> Self {
        let directory = Path::new("/run/podman-of-the-test").to_owned();
        let place = directory.display();
        // Its locks are in memory that all of the machine shares.
        sh("mount -t tmpfs none /dev/shm").ok();
        sh(&format!(
            "cd / && mkdir -p {place}/net.d {place}/tmp && mkdir {place}/box && cd {place}/box && \
             mkdir bin dev etc proc run sys tmp && cp \"$(command -v busybox)\" bin/"
        ))
        .ok();
        let settings = format!(
            // No higher limits than those of the test, which a container of a container could not have.
            "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n\
             [network]\nnetwork_backend = \"cni\"\ncni_plugin_dirs = [\"{}\"]\nnetwork_config_dir = \"{place}/net.d\"\n\
             [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\n",
            bin_dir().display()
        );
        std::fs::write(directory.join("containers.conf"), settings).expect("a file");
        Self { directory, control_group: format!("plugboard-podman-{}", std::process::id()) }
    }

    fn network(&self, name: &str, plugins: &Value) {
        let list = json!({"cniVersion": "1.0.0", "name": name, "plugins": plugins});
        std::fs::write(self.directory.join(format!("net.d/{name}.conflist")), list.to_string()).expect("a file");
    }

    fn call(&self, arguments: &str) -> String {
        let place = self.directory.display();
        sh(&format!(
            "export CONTAINERS_CONF={place}/containers.conf; podman --storage-driver vfs --root {place}/root \
             --runroot {place}/runroot --tmpdir {place}/tmp --runtime runc {arguments}"
        ))
        .ok()
    }

    /// The address of a container's interface.
    fn address(&self, container: &str, interface: &str) -> String {
        let text = self.call(&format!("exec {container} /bin/busybox ip -4 address show dev {interface}"));
        let own = text.split_whitespace().skip_while(|word| *word != "inet").nth(1).unwrap_or_default();
        let (address, _) = own.split_once('/').unwrap_or_else(|| panic!("{interface} has no address: {text}"));
        address.to_owned()
    }

    /// Starts a container that waits, on these networks: `eth0`, `eth1` and so on.
    fn start(&self, name: &str, networks: &[&str]) {
        let networks: String = networks
            .iter()
            .enumerate()
            .map(|(place, one)| format!(" --network {one}:interface_name=eth{place}"))
            .collect();
        let (group, place) = (&self.control_group, self.directory.display());
        self.call(&format!(
            "run -d --name {name} --cgroup-parent /{group}{networks} --rootfs {place}/box /bin/busybox sleep 1000"
        ));
    }

    /// Starts a container with a web server that publishes its port 80, on these networks: its page is its name.
    fn serve(&self, name: &str, networks: &str, publish: &str) {
        let (group, place) = (&self.control_group, self.directory.display());
        sh(&format!("mkdir -p {place}/box/{name} && printf %s {name} > {place}/box/{name}/index.html")).ok();
        self.call(&format!(
            "run -d --name {name} --cgroup-parent /{group} --network {networks} {publish} \
             --rootfs {place}/box /bin/busybox httpd -f -h /{name}"
        ));
    }

    /// `plugboard` works on what Podman has attached, whose records have no namespace.
    fn assert_found_by_plugboard(&self, id: &str) {
        let plugboard = |arguments: &str| {
            let (bin, directory) = (bin_dir(), self.directory.display());
            sh(&format!("{0}/plugboard --plugin-dir {0} --conf-dir {directory}/net.d {arguments}", bin.display())).ok()
        };
        let listed: Value = serde_json::from_str(&plugboard("ls --json")).expect("JSON");
        let own: Vec<&Value> = listed.as_array().into_iter().flatten().filter(|one| one["containerId"] == id).collect();
        assert!(own.len() == 2 && own.iter().all(|one| one["state"] == "attached"), "{listed:#}");
        let short = id.get(..12).expect("an ID");
        let checked = plugboard(&format!("check {short}"));
        assert!(checked.lines().count() == 2 && checked.lines().all(|line| line.ends_with("ok")), "{checked}");
        plugboard(&format!("shape {short} eth1 bw=20Mbps"));
        plugboard(&format!("shape {short} eth1 bw=none"));
        assert_eq!(plugboard("gc"), "");
        assert_eq!(plugboard(&format!("check {short}")).lines().count(), 2);
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        remove_control_groups(&self.control_group);
    }
}

#[test]
fn a_container_has_a_further_nic_beside_its_first() {
    let host = Host::enter();
    let podman = Podman::new();
    let ipam = |subnet: &str| json!({"type": "host-local", "ranges": [[{"subnet": subnet}]]});
    podman.network(
        "first",
        &json!([{"type": "bridge", "bridge": "first-br", "isDefaultGateway": true, "ipam": ipam("10.81.0.0/24")}]),
    );
    podman.network(
        "home",
        &json!([{"type": "veth-secondary", "bridge": "home-br", "isGateway": true, "ipam": ipam("10.82.0.0/24")}]),
    );
    podman.network("way", &json!([{"type": "veth-secondary", "mode": "routed", "ipam": ipam("10.83.0.0/24")}]));
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.84.0.0/24", "rangeStart": "10.84.0.2"}]]});
    podman.network("lac", &json!([{"type": "vxlan-overlay", "group": "234.0.0.1", "if": "lan0", "ipam": ipam}]));
    let far = far_host(&host, "10.84.0.1/24");
    let before = Snapshot::take::<&str>(&[], &[]);
    for (second, subnet) in [("home", "10.82.0."), ("way", "10.83.0."), ("lac", "10.84.0.")] {
        podman.start("one", &["first", second]);
        let routes = podman.call("exec one /bin/busybox ip route show");
        assert_eq!(routes.lines().filter(|line| line.starts_with("default")).count(), 1, "{routes}");
        assert!(routes.contains("default via 10.81.0.1 dev eth0"), "{routes}");
        for (interface, subnet) in [("eth0", "10.81.0."), ("eth1", subnet)] {
            let address = podman.address("one", interface);
            assert!(address.starts_with(subnet), "{address}");
            // This host is not in the cloud.
            let is_in_cloud = second == "lac" && interface == "eth1";
            let answers = if is_in_cloud { far.ping(&address, 2) } else { ping(&address, 2) };
            assert_eq!(answers.received, 2, "{interface} on {second}");
        }
        podman.assert_found_by_plugboard(podman.call("inspect --format {{.Id}} one").trim());
        podman.call("rm -f -t 0 one");
        sh("echo 0 > /proc/sys/net/ipv4/ip_forward").ok();
        assert_eq!(before, Snapshot::take::<&str>(&[], &[]), "{second}");
        assert_eq!(ip("link show").as_array().map(Vec::len), Some(2), "lo and lan0");
    }
}

#[test]
fn containers_have_ports_of_open_vswitch() {
    let _host = Host::enter();
    let ovs = OpenVswitch::start();
    ovs.add_bridge("br-int");
    let podman = Podman::new();
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.86.0.0/24"}]]});
    podman.network("switch", &json!([{"type": "ovs-port", "bridge": "br-int", "vlan": 7, "ipam": ipam}]));
    let state = || {
        ovs.settle();
        (Snapshot::take::<&str>(&[], &[]), ovs.rows())
    };
    let before = state();
    for name in ["one", "two"] {
        podman.start(name, &["switch"]);
    }
    let other = podman.address("two", "eth0");
    let answers = podman.call(&format!("exec one /bin/busybox ping -c 3 -W 2 {other}"));
    assert!(answers.contains("3 packets received"), "{answers}");
    let ports = ovs.vsctl("list-ports br-int").ok();
    assert_eq!(ports.lines().count(), 2, "{ports}");
    assert!(ports.lines().all(|port| ovs.column("Port", port, "tag") == 7));
    for name in ["one", "two"] {
        podman.call(&format!("rm -f -t 0 {name}"));
    }
    assert_eq!(before, state());
}

/// Podman hands a container's ports to each of its networks.
#[test]
fn a_published_port_is_answered_by_whichever_network_is_left() {
    let host = Host::enter();
    let world = internet_of(&host, "203.0.113.0/24");
    let podman = Podman::new();
    let ipam = |subnet: &str| json!({"type": "host-local", "ranges": [[{"subnet": subnet}]]});
    let portmap = json!({"type": "portmap", "capabilities": {"portMappings": true}});
    let first = json!({"type": "bridge", "bridge": "net1-br", "isDefaultGateway": true, "ipam": ipam("10.81.0.0/24")});
    // Without the first network nothing else tells where answers to the world go.
    let second = json!({"type": "veth-secondary", "bridge": "net2-br", "isGateway": true, "sourceRouting": true,
        "ipam": ipam("10.82.0.0/24")});
    podman.network("net1", &json!([first, portmap]));
    podman.network("net2", &json!([second, portmap]));
    let before = Snapshot::take::<&str>(&[], &[]);
    let pages = || [page(|script| world.sh(script), OUTSIDE, 8080), page(sh, "127.0.0.1", 8080)];
    let rules = || sh("nft list ruleset").ok();
    for gone in ["net1", "net2"] {
        podman.serve("web", "net1,net2", "-p 8080:80");
        assert_eq!(pages(), ["web 200", "web 200"], "{}", rules());
        podman.call(&format!("network disconnect {gone} web"));
        assert_eq!(pages(), ["web 200", "web 200"], "without {gone}: {}", rules());
        podman.call(&format!("network connect {gone} web"));
        assert_eq!(pages(), ["web 200", "web 200"], "again with {gone}: {}", rules());
        podman.call("rm -f -t 0 web");
        assert_eq!(pages(), [" 000", " 000"]);
        sh("echo 0 > /proc/sys/net/ipv4/ip_forward").ok();
        assert_eq!(before, Snapshot::take::<&str>(&[], &[]), "{gone}");
    }
}
