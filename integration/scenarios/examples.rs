//! The files of `conf-examples`: each works, and each key that the pages of the plugins list is in one of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use harness::{Datapath, Listeners, Namespace, OpenVswitch, Snapshot, not_observed, sh, wait_until};
use integration::{World, examples};
use lab::{Feature, with_features};
use serde_json::{Value, json};

/// What the kernel must have for an example, by a key that occurs in it. Those not listed need nothing that a kernel may lack.
const NEEDS: [(&str, &[Feature]); 11] = [
    ("vlan", &[Feature::Vlan, Feature::BridgeVlanFiltering]),
    ("vlanTrunk", &[Feature::Vlan, Feature::BridgeVlanFiltering]),
    ("lat", &[Feature::Netem]),
    ("delay", &[Feature::Netem]),
    ("loss", &[Feature::Netem]),
    ("slot", &[Feature::Netem]),
    ("preset", &[Feature::Netem]),
    ("ipMasq", &[Feature::NftablesNat]),
    ("portMappings", &[Feature::NftablesNat]),
    ("keyFile", &[Feature::SealedUdp]),
    ("ingress_policing_rate", &[Feature::OvsDatapath, Feature::Matchall, Feature::Htb]),
];

/// And by what `nic` is.
const KINDS: [(&str, Feature); 3] =
    [("macvlan", Feature::Macvlan), ("ipvlan", Feature::Ipvlan), ("vlan", Feature::Vlan)];

/// The examples whose NIC is on a device of the host, or is one, by their names.
const WITH_A_DEVICE: [&str; 5] = ["uplink", "macvlan", "ipvlan", "vlan-net", "device"];

/// What an operator has to have done on the host, by the file's name.
fn prepare(example: &Example) {
    let script = match example.file.as_str() {
        // The host has a route to every address, groups among them.
        name if name.starts_with("lac-") => {
            "ip link add eth0 type veth peer name far && ip link set eth0 up && ip link set far up && \
             ip address add 192.0.2.1/24 dev eth0 && ip address add 2001:db8::1/64 dev eth0 nodad && \
             ip route add default via 192.0.2.254"
        }
        name if WITH_A_DEVICE.iter().any(|part| name.contains(part)) => {
            "ip link add eth0 type veth peer name far && ip link set eth0 up && ip link set far up"
        }
        _ => "true",
    };
    sh(script).ok();
    for file in example.values("rangeFromFile") {
        let file = file.as_str().filter(|file| file.starts_with("/etc/cni/")).expect("a file below /etc/cni");
        fs::write(file, "{\"subnet\": \"10.77.0.0/24\"}\n").unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    for file in example.values("remotesFile").into_iter().chain(example.values("peersFile")) {
        let file = file.as_str().filter(|file| file.starts_with("/etc/cni/")).expect("a file below /etc/cni");
        fs::write(file, "192.0.2.1  # this host\n192.0.2.2\n").unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    for file in example.values("keyFile") {
        let file = file.as_str().filter(|file| file.starts_with("/etc/cni/")).expect("a file below /etc/cni");
        sh(&format!("(umask 077; head -c 32 /dev/urandom | base64 > {file})")).ok();
    }
}

/// The ports that an example publishes. Where the runtime is to name them, they are named in the copy of the file on this host.
fn published(example: &Example) -> Vec<Value> {
    let mut ports: Vec<Value> =
        example.values("portMappings").iter().filter_map(Value::as_array).flatten().cloned().collect();
    if ports.is_empty() && example.values("portMappings").contains(&Value::Bool(true)) {
        ports = vec![json!({"hostPort": 8080, "containerPort": 80, "protocol": "tcp"})];
        let mut told = example.content.clone();
        let plugins = told["plugins"].as_array_mut().into_iter().flatten();
        for plugin in plugins.filter(|plugin| plugin["type"] == "portmap") {
            plugin["runtimeConfig"] = json!({"portMappings": ports});
        }
        let copy = format!("/etc/cni/net.d/{}", example.file);
        fs::write(&copy, told.to_string()).unwrap_or_else(|error| panic!("{copy}: {error}"));
    }
    ports
}

/// Somebody on the host connects to a port that the container's example publishes, and is answered by the container.
fn answers(example: &Example, node: &Namespace, port: &Value) {
    let bridge = example.values("bridge").pop().expect("it is on a bridge");
    let gateway = harness::ip(&format!("-4 address show dev {}", bridge.as_str().unwrap_or_default()));
    let address = match port["hostIP"].as_str() {
        Some(address) => address,
        None => gateway[0]["addr_info"][0]["local"].as_str().expect("the bridge is the gateway"),
    };
    let udp = if port["protocol"] == "udp" { "-u" } else { "" };
    let inside = &port["containerPort"];
    let _server = node.spawn(&format!("exec ncat {udp} -l -p {inside} -c 'read line; echo answered' 2> /dev/null"));
    wait_until("the server listens", || !node.sh(&format!("ss -Hlntu sport = {inside}")).ok().is_empty());
    let client = format!("(echo; sleep 1) | ncat {udp} -w 2 {address} {}", port["hostPort"]);
    let reply = sh(&client);
    assert_eq!(
        reply.stdout.trim_end(),
        "answered",
        "{}: {client}: {reply:?}\n{}",
        example.file,
        sh("nft list ruleset").stdout
    );
}

/// Keys that are refused, whatever their value.
const REFUSED: [&str; 1] = ["deviceID"];

/// The switch that an example is for, if it is for one, with the bridges that it does not make itself, and with the files that it
/// names.
fn switch(example: &Example) -> Option<OpenVswitch> {
    if !example.values("type").contains(&Value::from("ovs-port")) {
        return None;
    }
    let texts =
        |key| -> Vec<String> { example.values(key).iter().filter_map(Value::as_str).map(str::to_owned).collect() };
    let remote = texts("socket_file").pop();
    let tls_port = remote.map(|remote| {
        let port = remote.strip_prefix("ssl:127.0.0.1:").and_then(|port| port.parse().ok());
        port.expect("a port of this host")
    });
    let switch = OpenVswitch::listening("/run/openvswitch", &Listeners { tls_port, ..Listeners::default() });
    let is_made = !example.values("datapath_type").is_empty();
    let datapath = if is_made { Datapath::Netdev } else { Datapath::of_this_kernel() };
    let mut bridges = if is_made { texts("patchTo") } else { texts("bridge") };
    bridges.extend(texts("ovnPort").iter().map(|_| "br-int".to_owned()));
    for bridge in bridges {
        switch.add_bridge_of(datapath, &bridge);
    }
    for file in texts("configuration_path") {
        fs::write(&file, "{\"link_state_check_interval\": 500}\n").unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    if tls_port.is_some() {
        let files = switch.tls();
        let keys =
            [("private_key", &files.private_key), ("certificate", &files.certificate), ("ca_cert", &files.authority)];
        for (key, made) in keys {
            let named = texts(key).pop().unwrap_or_else(|| panic!("{} has no {key}", example.file));
            fs::copy(made, &named).unwrap_or_else(|error| panic!("{named}: {error}"));
        }
    }
    Some(switch)
}

/// A file of `conf-examples`.
struct Example {
    file: String,
    content: Value,
}

impl Example {
    fn all() -> Vec<Self> {
        let files = fs::read_dir(examples()).expect("the examples are there");
        let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "conflist"));
        paths.sort();
        assert!(!paths.is_empty());
        paths.iter().map(Self::read).collect()
    }

    fn read(path: &PathBuf) -> Self {
        let text = fs::read_to_string(path).expect("an example can be read");
        let content = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(), content }
    }

    fn network(&self) -> &str {
        self.content["name"].as_str().unwrap_or_else(|| panic!("{} has no name", self.file))
    }

    fn keys(&self) -> BTreeSet<&str> {
        let mut keys = BTreeSet::new();
        walk(&self.content, &mut |key, _| _ = keys.insert(key));
        keys
    }

    fn values(&self, wanted: &str) -> Vec<Value> {
        let mut values = Vec::new();
        walk(&self.content, &mut |key, value| {
            if key == wanted {
                values.push(value.clone());
            }
        });
        values
    }

    fn needs(&self) -> Vec<Feature> {
        let keys = self.keys();
        let met = NEEDS.iter().filter(|(key, _)| keys.contains(key));
        let kinds = self.values("nic");
        let of_kinds = KINDS.iter().filter(|(kind, _)| kinds.iter().any(|nic| nic == kind));
        met.flat_map(|(_, features)| features.iter().copied()).chain(of_kinds.map(|(_, feature)| *feature)).collect()
    }
}

fn walk<'a>(value: &'a Value, see: &mut dyn FnMut(&'a str, &'a Value)) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            see(key, value);
            walk(value, see);
        }),
        Value::Array(members) => members.iter().for_each(|value| walk(value, see)),
        _ => {}
    }
}

/// ADD, CHECK and DEL for two containers at once, by the command line, and nothing is left.
fn works(example: &Example) {
    let network = example.network().to_owned();
    println!("{}: network {network}", example.file);
    let world = World::new();
    prepare(example);
    let switch = switch(example);
    let nodes: Vec<Namespace> = ["ex1", "ex2"].map(|name| world.node(name)).into();
    // What an example gives to one container alone, a second one cannot have: a fixed address, the name of an internal port, the
    // output of a mirror, a port of the host. And queues are each container's own.
    let has = |key: &str, value: Value| example.values(key).contains(&value);
    let ports = published(example);
    let is_single = has("type", "static".into())
        || has("nic", "internal".into())
        || has("output", true.into())
        || !ports.is_empty();
    let is_shaped = example.needs().contains(&Feature::Netem);
    let nodes = if is_single || is_shaped { &nodes[..1] } else { &nodes[..] };
    let look = || {
        // The host goes on forwarding for others.
        let nodes: Vec<&Namespace> = nodes.iter().collect();
        (Snapshot::take::<PathBuf>(&nodes, &[]), switch.as_ref().map(OpenVswitch::rows))
    };
    if has("type", "loopback".into()) {
        // As in a new namespace.
        nodes.iter().for_each(|node| _ = node.sh("ip link set lo down").ok());
    }
    let before = look();
    if is_beyond_this_kernel(example, &world, &network) {
        assert_eq!(before, look(), "{}: nothing is left of what is refused", example.file);
        return;
    }
    for node in nodes {
        world.plugboard(&format!("attach --primary {network} {} {network}", node.name)).ok();
    }
    for node in nodes {
        world.plugboard(&format!("check {}", node.name)).ok();
    }
    assert!(look() != before, "{}: something was made", example.file);
    for (node, port) in nodes.iter().flat_map(|node| ports.iter().map(move |port| (node, port))) {
        answers(example, node, port);
    }
    for node in nodes {
        world.plugboard(&format!("detach {}", node.name)).ok();
    }
    assert_eq!(before, look(), "{}: nothing is left", example.file);
}

/// A kernel without seeds for netem refuses the example that has one, and says so.
fn is_beyond_this_kernel(example: &Example, world: &World, network: &str) -> bool {
    if example.values("seed").is_empty() {
        return false;
    }
    let tried = world.plugboard(&format!("attach --primary {network} ex1 {network}"));
    if tried.status == 0 {
        world.plugboard("detach ex1").ok();
        return false;
    }
    assert!(tried.stderr.contains("use Linux 6.6 or later"), "{tried:?}");
    not_observed(&format!("{}: this kernel has no seed for netem", example.file));
    true
}

/// Those that need nothing, those that need netem, and those that need something else.
fn by_need() -> [Vec<Example>; 3] {
    let (plain, demanding): (Vec<_>, Vec<_>) =
        Example::all().into_iter().partition(|example| example.needs().is_empty());
    let (shaped, others) = demanding.into_iter().partition(|example| example.needs().contains(&Feature::Netem));
    [plain, shaped, others]
}

fn all_needs(examples: &[Example]) -> Vec<Feature> {
    let mut needs: Vec<Feature> = Vec::new();
    for need in examples.iter().flat_map(Example::needs) {
        if !needs.contains(&need) {
            needs.push(need);
        }
    }
    needs
}

#[test]
fn every_example_works() {
    let [plain, _, _] = by_need();
    assert!(!plain.is_empty());
    plain.iter().for_each(works);
}

#[test]
fn every_example_of_delays_and_losses_works() {
    let [_, shaped, _] = by_need();
    assert!(!shaped.is_empty());
    with_features(&all_needs(&shaped), || shaped.iter().for_each(works));
}

#[test]
fn every_example_that_needs_more_of_the_kernel_works() {
    let [_, _, others] = by_need();
    assert!(!others.is_empty());
    with_features(&all_needs(&others), || others.iter().for_each(works));
}

/// The keys in the tables of the plugins' pages: the code in the first column, of a path its last part.
fn documented() -> BTreeSet<String> {
    let pages = fs::read_dir(examples().join("../docs/plugins")).expect("the pages of the plugins are there");
    let mut keys = BTreeSet::new();
    for page in pages {
        let path = page.expect("a page").path();
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (_, table) = text.split_once("<!-- keys: ").unwrap_or_else(|| panic!("{} has no keys", path.display()));
        let (table, _) = table.split_once("<!-- end of keys -->").expect("an end of the keys");
        let rows = table.lines().filter(|line| line.starts_with("| `"));
        let cells = rows.filter_map(|row| row.split('|').nth(1));
        let codes = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        keys.extend(codes.map(|code| code.rsplit('.').next().unwrap_or(code).trim_end_matches("[]").to_owned()));
    }
    keys
}

#[test]
fn every_key_of_the_documents_is_in_an_example() {
    let examples = Example::all();
    let shown: BTreeSet<&str> = examples.iter().flat_map(Example::keys).collect();
    let documented = documented();
    assert!(
        documented.contains("portIsolation") && documented.contains("subnet"),
        "the tables were read: {documented:?}"
    );
    let missing: Vec<&String> =
        documented.iter().filter(|key| !shown.contains(key.as_str()) && !REFUSED.contains(&key.as_str())).collect();
    assert!(missing.is_empty(), "no example shows the keys {missing:?}");
}
