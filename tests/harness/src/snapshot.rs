use crate::snapshot_files::files;
use crate::{Namespace, sh};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;

/// What a host and some namespaces are made of: links, addresses, routes, routing rules, bridge VLANs, queues, packet
/// filter rules, and files, one line each.
///
/// Left out is what changes by itself: counters, ages, carrier, indexes, and what the kernel derives from an address.
/// Comparing two snapshots that differ prints the difference, so that `assert_eq!(before, after)` shows it.
#[derive(Clone, Eq)]
pub struct Snapshot {
    lines: BTreeSet<String>,
}

/// Keys of `ip -j -d`, `tc -j` and `bridge -j` that are not configuration, at any depth.
const VOLATILE: [&str; 21] = [
    "ifindex",
    "direct_packets_stat",
    "link_index",
    "operstate",
    "qdisc",
    "promiscuity",
    "allmulti",
    "refcnt",
    "handle",
    "state",
    "no",
    "id",
    "bridge_id",
    "root_id",
    "root_port",
    "root_path_cost",
    "config_pending",
    "valid_life_time",
    "preferred_life_time",
    "tentative",
    "link_netnsid",
];

/// Beginnings of more such keys: spanning tree, and offload limits that a bridge takes from its ports.
const VOLATILE_GROUPS: [&str; 7] = ["designated_", "topology_change", "gso_", "gro_", "tso_", "max_mtu", "min_mtu"];

/// Members of `flags` that follow the carrier.
const CARRIER: [&str; 5] = ["LOWER_UP", "NO-CARRIER", "M-DOWN", "linkdown", "dead"];

/// What `ip`, `tc` and `bridge` are asked, each answering with arrays of objects. `ip` is asked several things at once, because to start
/// it takes longer than to answer, and its objects tell what they are.
const QUESTIONS: [(&str, Subject); 5] = [
    ("printf 'link show\\naddress show\\n' | ip -j -d -batch -", |object| {
        if object["addr_info"].is_array() { "address" } else { "link" }
    }),
    ("printf 'route show table all\\nrule show\\n' | ip -4 -j -d -batch -", |object| {
        if is_rule(object) { "rule" } else { "route" }
    }),
    ("printf 'route show table all\\nrule show\\n' | ip -6 -j -d -batch -", |object| {
        if is_rule(object) { "rule6" } else { "route6" }
    }),
    ("tc -j qdisc show", |_| "qdisc"),
    ("bridge -j vlan show", |_| "vlan"),
];

/// What an object of an answer is about.
type Subject = fn(&Value) -> &'static str;

/// A rule has a priority, and a route a metric (`iprule.c` and `iproute.c` of iproute2).
fn is_rule(object: &Value) -> bool {
    !object["priority"].is_null()
}

/// The packet filter's rules, as text.
const RULES: &str = "nft --stateless list ruleset";

impl Snapshot {
    /// Looks at the thread's host, at `namespaces`, and at everything below `directories`.
    pub fn take<P: AsRef<Path>>(namespaces: &[&Namespace], directories: &[P]) -> Self {
        let mut lines = BTreeSet::new();
        look("host", &|script| sh(script).ok(), &mut lines);
        for namespace in namespaces {
            look(&namespace.name, &|script| namespace.sh(script).ok(), &mut lines);
        }
        for directory in directories {
            lines.extend(files(directory.as_ref()));
        }
        Self { lines }
    }

    /// What only this snapshot has (`-`) and what only `after` has (`+`), a line each; empty when they are equal.
    pub fn difference(&self, after: &Self) -> String {
        let gone = self.lines.difference(&after.lines).map(|line| format!("- {line}\n"));
        let new = after.lines.difference(&self.lines).map(|line| format!("+ {line}\n"));
        gone.chain(new).collect()
    }
}

impl PartialEq for Snapshot {
    fn eq(&self, after: &Self) -> bool {
        let difference = self.difference(after);
        if !difference.is_empty() {
            println!("the snapshots differ (- left only, + right only):\n{difference}");
        }
        difference.is_empty()
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Stands between two answers.
const NEXT: &str = "--next--";

fn look(place: &str, ask: &dyn Fn(&str) -> String, lines: &mut BTreeSet<String>) {
    // All of it in one process's shell: to start one in a namespace takes longer than to answer.
    let script: String =
        QUESTIONS.iter().map(|(question, _)| format!("{question} && echo && echo {NEXT} && ")).collect();
    let answers = ask(&(script + RULES));
    let mut answers = answers.split(NEXT).map(str::trim);
    for (question, subject) in QUESTIONS {
        let answer = answers.next().unwrap_or_default();
        // iproute2 prints nothing at all for some empty lists.
        let arrays: Vec<Vec<Value>> = serde_json::Deserializer::from_str(answer)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|e| panic!("{question} printed no JSON ({e}): {answer}"));
        let objects = arrays.iter().flatten().filter(|o| o.as_object().is_some_and(|o| !o.is_empty()));
        for object in objects.filter(|o| !is_derived(o)) {
            let (subject, device) = (subject(object), object["ifname"].as_str().unwrap_or_default());
            match object["addr_info"].as_array() {
                Some(addresses) => lines.extend(
                    addresses
                        .iter()
                        .filter(|a| !is_kernel_link_local(a))
                        .map(|a| format!("{place} {subject} {device} {}", stable(a))),
                ),
                None => _ = lines.insert(format!("{place} {subject} {}", stable(object))),
            }
        }
    }
    let rules = answers.next().unwrap_or_default();
    if !rules.is_empty() {
        lines.insert(format!("{place} nftables\n{rules}"));
    }
}

/// Routes that the kernel keeps beside each address, and link-local and multicast routes of each IPv6 device.
fn is_derived(object: &Value) -> bool {
    let of_an_address = matches!(object["type"].as_str(), Some("local" | "broadcast" | "anycast" | "multicast"));
    let destination = object["dst"].as_str().unwrap_or_default();
    of_an_address || destination.starts_with("fe80:") || destination.starts_with("ff00:")
}

fn stable(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(stable_members(members)),
        Value::Array(members) => {
            let kept = members.iter().filter(|m| m.as_str().is_none_or(|m| !CARRIER.contains(&m)));
            Value::Array(kept.map(stable).collect())
        }
        other => other.clone(),
    }
}

fn stable_members(members: &Map<String, Value>) -> Map<String, Value> {
    // A bridge without an address of its own takes one of its ports', and a VLAN device that of the link below it.
    let takes_another =
        members.get("linkinfo").is_some_and(|info| ["bridge", "vlan"].map(Value::from).contains(&info["info_kind"]));
    members
        .iter()
        .filter(|(key, _)| !VOLATILE.contains(&key.as_str()) && !key.ends_with("_timer"))
        .filter(|(key, _)| !VOLATILE_GROUPS.iter().any(|group| key.starts_with(group)))
        .filter(|(key, _)| !(takes_another && *key == "address"))
        .map(|(key, value)| (key.clone(), stable(value)))
        .collect()
}

/// The kernel adds `fe80::` when a device gets its carrier, at a time of its own.
fn is_kernel_link_local(address: &Value) -> bool {
    address["family"] == "inet6" && address["local"].as_str().is_some_and(|local| local.starts_with("fe80:"))
}
