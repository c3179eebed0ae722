//! Pods of containerd, as kubelet asks for them: Kubernetes' annotations for bandwidth become queues.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Host, Namespace, OpenVswitch, Output, Snapshot, bin, bin_dir, ip, ping, sh, tc};
use integration::{page, remove_control_groups, web_server, with};
use serde_json::{Value, json};
use tests::udp::{answer, server};
use tests::world::{OUTSIDE, internet_of};

use crate::local_area_cloud::far_host;

/// A containerd of the test's own, with our plugins alone; it calls `loopback` by itself.
struct Containerd {
    directory: PathBuf,
    process: Child,
}

impl Containerd {
    /// Starts it on the host that the thread is on. Panics when it does not serve within half a minute.
    fn start() -> Self {
        // The host's own, so that it goes with it. The name is also that of the control group, which the machine has.
        let directory = Path::new("/run").join(format!("plugboard-containerd-{}", std::process::id()));
        let plugins = directory.join("plugins");
        std::fs::create_dir_all(&plugins).expect("a directory");
        let ours = [
            "bridge",
            "veth-secondary",
            "ovs-port",
            "vxlan-overlay",
            "host-local",
            "netem-shaper",
            "portmap",
            "loopback",
        ];
        for plugin in ours.map(bin) {
            let name = plugin.file_name().expect("a plugin has a name");
            std::os::unix::fs::symlink(&plugin, plugins.join(name)).expect("a link");
        }
        let process = Command::new("sh")
            .args([&script("start.sh"), &directory])
            .stderr(std::fs::File::create(directory.join("log")).expect("a file"))
            .spawn()
            .expect("a shell");
        let containerd = Self { directory, process };
        let begin = Instant::now();
        while !containerd.path("socket").exists() {
            assert!(begin.elapsed() < Duration::from_secs(30), "containerd does not serve:\n{}", containerd.log());
            sleep(Duration::from_millis(50));
        }
        let image = containerd.path("image.tar");
        containerd.cri(&format!("image {}", image.display()));
        let socket = containerd.path("socket");
        sh(&format!("ctr --address {} --namespace k8s.io images import {}", socket.display(), image.display())).ok();
        containerd
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Runs a command in the mounts and processes that it has of its own, as somebody at its machine does.
    fn beside(&self, command: &str) -> String {
        let pid = self.process.id();
        sh(&format!("nsenter --target $(pgrep --parent {pid} | head -n 1) --mount --pid {command}")).ok()
    }

    /// What `cri.py` prints.
    fn cri(&self, arguments: &str) -> String {
        let output = self.asked(arguments);
        assert_eq!(output.status, 0, "{}\n{}", output.stderr, self.log());
        output.stdout.trim().to_owned()
    }

    fn asked(&self, arguments: &str) -> Output {
        let (script, socket) = (script("cri.py"), self.path("socket"));
        sh(&format!("/usr/bin/python3 {} {} {arguments}", script.display(), socket.display()))
    }

    /// A pod's network, by the process that waits in it.
    fn namespace(&self, pod: &str) -> Namespace {
        let processes = format!("find /sys/fs/cgroup -path '*{pod}*' -name cgroup.procs -exec cat {{}} + | head -n 1");
        let path = format!("/proc/{}/ns/net", sh(&processes).ok());
        let name = pod.get(..12).expect("an ID").to_owned();
        sh(&format!("ln -sfn {path} /run/netns/{name}")).ok();
        Namespace { name, path: path.into() }
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // All that runs in its PID namespace ends with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
        remove_control_groups(&self.directory.file_name().unwrap_or_default().to_string_lossy());
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/containerd").join(name)
}

/// Puts a list of plugins into the directory of networks.
fn network(file: &str, name: &str, plugins: &Value) {
    sh("mkdir -p /etc/cni/net.d").ok();
    let list = json!({"cniVersion": "1.0.0", "name": name, "plugins": plugins});
    std::fs::write(format!("/etc/cni/net.d/{file}.conflist"), list.to_string()).expect("a file");
}

/// The rates of all token buckets, in bit/s, each with the beginning of its device's name.
fn rates() -> Vec<(String, u64)> {
    let queues = tc("qdisc show");
    let rate = |queue: &Value| {
        let device = queue["dev"].as_str()?.get(..2)?.to_owned();
        Some((device, queue["options"]["rate"].as_u64()? * 8))
    };
    let mut rates: Vec<_> = queues.as_array().into_iter().flatten().filter_map(rate).collect();
    rates.sort();
    rates
}

/// The network of each pod's `eth0`.
fn pods_network() {
    network(
        "10-pods",
        "pods",
        &json!([{"type": "bridge", "bridge": "pods-br", "isGateway": true,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.83.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
            {"type": "netem-shaper", "capabilities": {"bandwidth": true}}]),
    );
}

#[test]
fn annotations_of_a_pod_limit_both_directions() {
    let _host = Host::enter();
    pods_network();
    let containerd = Containerd::start();
    let before = Snapshot::take::<&str>(&[], &[]);

    // Kubernetes' own words: ingress is what the pod receives.
    let limits = "kubernetes.io/ingress-bandwidth=10M kubernetes.io/egress-bandwidth=5M";
    let limited = containerd.cri(&format!("run limited {limits}"));
    let free = containerd.cri("run free");
    assert_eq!(rates(), [("pb".to_owned(), 10_000_000), ("pi".to_owned(), 5_000_000)]);
    let ports = ip("link show master pods-br");
    assert_eq!(ports.as_array().map(Vec::len), Some(2), "{ports:#}");
    let queues = tc("qdisc show");
    let bursts = queues.as_array().into_iter().flatten().filter_map(|queue| queue["options"]["burst"].as_u64());
    // containerd asks for a burst of 4 Gbit with each, because the annotations have no word for one.
    assert!(bursts.clone().count() == 2 && bursts.clone().all(|burst| burst < 20_000), "{queues:#}");

    assert_found_by_plugboard(&containerd, &limited);
    containerd.cri(&format!("stop {limited}"));
    assert_eq!(rates(), []);
    containerd.cri(&format!("stop {free}"));
    assert_eq!(before, Snapshot::take::<&str>(&[], &[]), "the last pod leaves nothing");
}

/// `plugboard` works on what a runtime has attached that records no namespaces.
fn assert_found_by_plugboard(containerd: &Containerd, id: &str) {
    let plugboard = |arguments: &str| {
        let bin = bin_dir();
        containerd.beside(&format!("{0}/plugboard --plugin-dir {0} {arguments}", bin.display()))
    };
    let list = || serde_json::from_str::<Value>(&plugboard("ls --json")).expect("JSON");
    let listed = list();
    let own = listed.as_array().into_iter().flatten().find(|one| one["containerId"] == id).expect("the container");
    assert_eq!(own["state"], "attached", "{listed:#}");
    let short = id.get(..12).expect("an ID");
    assert!(plugboard(&format!("check {short}")).contains("ok"));
    plugboard(&format!("shape {short} eth0 bw=20Mbps"));
    assert!(rates().contains(&("pb".to_owned(), 20_000_000)));
    plugboard(&format!("shape {short} eth0 bw=none"));
    assert_eq!(plugboard("gc"), "");
    let states =
        |list: &Value| list.as_array().into_iter().flatten().map(|one| one["state"].clone()).collect::<Vec<_>>();
    assert_eq!(states(&list()), states(&listed));
}

/// The address that an interface of a pod got, by the allocator's record of it.
fn address_of(pod: &str, network: &str, interface: &str) -> String {
    let records = std::fs::read_dir(format!("/var/lib/cni/networks/{network}")).expect("records");
    let is_address = |path: &Path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'));
    let is_its = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(str::trim).eq([pod, interface])
    };
    let found = records.map(|record| record.expect("a record").path()).find(|path| is_address(path) && is_its(path));
    let path = found.unwrap_or_else(|| panic!("{network} has no {interface} of {pod}"));
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

/// containerd attaches a pod to each network that it knows, and calls DEL twice for each, at last without a namespace.
#[test]
fn a_pod_has_further_nics() {
    let host = Host::enter();
    pods_network();
    let further = |keys: Value, subnet: &str| {
        let nic = json!({"type": "veth-secondary", "ipam": {"type": "host-local", "ranges": [[{"subnet": subnet}]]}});
        json!([with(&nic, &keys), {"type": "netem-shaper", "bw": "50Mbps"}])
    };
    network("20-home", "home", &further(json!({"bridge": "home-br", "isGateway": true}), "10.84.0.0/24"));
    network("30-way", "way", &further(json!({"mode": "routed"}), "10.85.0.0/24"));
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.86.0.0/24", "rangeStart": "10.86.0.2"}]]});
    network("40-switch", "switch", &json!([{"type": "ovs-port", "bridge": "br-int", "ipam": ipam}]));
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.87.0.0/24", "rangeStart": "10.87.0.2"}]]});
    network("50-lac", "lac", &json!([{"type": "vxlan-overlay", "group": "234.0.0.1", "if": "lan0", "ipam": ipam}]));
    let far = far_host(&host, "10.87.0.1/24");
    let ovs = OpenVswitch::start();
    ovs.add_bridge("br-int");
    sh("ip link set br-int up && ip address add 10.86.0.1/24 dev br-int").ok();
    let containerd = Containerd::start();
    let (before, rows) = (Snapshot::take::<&str>(&[], &[]), ovs.rows());

    let pods = ["one", "two"].map(|name| containerd.cri(&format!("run {name}")));
    for pod in &pods {
        let networks = [("pods", "eth0"), ("home", "eth1"), ("way", "eth2"), ("switch", "eth3"), ("lac", "eth4")];
        for (network, interface) in networks {
            let address = address_of(pod, network, interface);
            // This host is not in the cloud.
            let answers = if network == "lac" { far.ping(&address, 2) } else { ping(&address, 2) };
            assert_eq!(answers.received, 2, "{interface} has {address}");
            let alias = format!("plugboard: {interface} on {network} of {pod}");
            let links = ip("link show");
            let mut links = links.as_array().into_iter().flatten();
            assert!(links.any(|link| link["ifalias"].as_str().is_some_and(|own| alias.starts_with(own))), "{alias}");
        }
    }
    assert_eq!(rates(), vec![("pb".to_owned(), 50_000_000); 4], "of each further NIC that has a limit");

    for pod in &pods {
        containerd.cri(&format!("stop {pod}"));
    }
    sh("echo 0 > /proc/sys/net/ipv4/ip_forward").ok();
    assert_eq!(before, Snapshot::take::<&str>(&[], &[]), "the last pod leaves nothing");
    ovs.settle();
    assert_eq!(rows, ovs.rows());
}

/// The pod's `hostPort`, which kubelet hands to the runtime as it is.
#[test]
fn ports_of_pods_are_published() {
    let host = Host::enter();
    let world = internet_of(&host, "203.0.113.0/24");
    let ipam =
        json!({"type": "host-local", "ranges": [[{"subnet": "10.83.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]});
    network(
        "10-pods",
        "pods",
        &json!([{"type": "bridge", "bridge": "pods-br", "isGateway": true, "ipMasq": true, "ipam": ipam},
            {"type": "portmap", "capabilities": {"portMappings": true}}]),
    );
    let containerd = Containerd::start();
    let state = || (Snapshot::take::<&str>(&[], &[]), sh("ls /var/lib/cni/networks/pods | grep '^[0-9]' || true").ok());
    let before = Snapshot::take::<&str>(&[], &[]);
    let first = containerd.cri("run first 8080:80/tcp 8053:53/udp");
    let pod = containerd.namespace(&first);
    let servers = (web_server(&pod, 80), server(&pod, 53));
    let answers = || {
        let asked = || answer(&format!("{OUTSIDE}:8053"));
        [(page(sh, OUTSIDE, 8080), asked()), (page(|script| world.sh(script), OUTSIDE, 8080), world.within(asked))]
    };
    let expected = (format!("{} 200", pod.name), Some(pod.name.clone()));
    assert_eq!(answers(), [expected.clone(), expected.clone()], "the host and the world");
    let taken = state();
    for port in ["8080:80/tcp", "8053:5353/udp"] {
        let refused = containerd.asked(&format!("run second {port}"));
        let holder = format!("is published by eth0 on pods of {first}");
        assert!(refused.status != 0 && refused.stderr.contains(&holder), "{refused:?}");
        assert_eq!(taken, state(), "the second pod leaves nothing");
    }
    // The same numbers of the other protocol are free.
    let second = containerd.cri("run second 8080:80/udp 8053:53/tcp");
    assert_eq!(answers(), [expected.clone(), expected]);
    containerd.cri(&format!("stop {second}"));
    containerd.cri(&format!("stop {first}"));
    drop(servers);
    let nothing = || (" 000".to_owned(), None);
    assert_eq!(answers(), [nothing(), nothing()]);
    sh("echo 0 > /proc/sys/net/ipv4/ip_forward").ok();
    assert_eq!(before, Snapshot::take::<&str>(&[], &[]), "the last pod leaves nothing");
}
