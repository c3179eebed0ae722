//! What does not keep a DEL, or a GC, from removing everything: it needs the identity of the attachment, the executable of the IPAM
//! plugin, and where that keeps its addresses.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use harness::{Reply, sh};
use serde_json::{Value, json};
use tests::{ALL, LATEST, Plugin, Process, Refusal, Scene, State, cites, with};

/// Adds an attachment, removes it with a configuration in which some keys are others, and sees that nothing is left.
#[track_caller]
fn goes_in_spite_of(scene: &Scene, plugin: Plugin, config: &Value, keys: &Value) -> Reply {
    let before = scene.state();
    let (_, attached) = scene.added(plugin, config);
    let reply = scene.call(plugin, "DEL", with(&attached, keys.clone())).run();
    assert_eq!(reply.status, 0, "{plugin:?} {keys}: {reply}");
    assert_eq!(before, scene.state(), "{plugin:?} {keys}");
    reply
}

#[test]
fn a_result_that_is_damaged() {
    cites!("DEL-5", "DEL-2", "DEL-1");
    let scene = Scene::with_a_switch();
    let results = [
        json!(7),
        json!("text"),
        json!([{}]),
        json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.2/24"}}),
        json!({"cniVersion": "9.9.9"}),
        json!({"cniVersion": 7}),
        json!({"interfaces": [{"name": 7}]}),
        json!({"interfaces": 7}),
        json!({"ips": [{"address": "banana"}]}),
        json!({"ips": [{"address": "10.1.0.2/24", "interface": "first"}]}),
        json!({"routes": [{"dst": 5}]}),
        json!({"dns": 4}),
    ];
    for plugin in ALL {
        let config = scene.config(plugin, LATEST);
        for result in &results {
            let reply = goes_in_spite_of(&scene, plugin, &config, &json!({"prevResult": result}));
            assert!(reply.stderr.contains("ignored: prevResult"), "{plugin:?} {result}: {reply}");
        }
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
}

/// The device that an earlier plugin has lent is known from its result alone.
#[test]
fn a_result_of_which_the_interfaces_can_be_read() {
    cites!("DEL-5", "DEL-1");
    let scene = Scene::new();
    sh("ip link add lent0 up type veth peer name lent1 && ip link set lent1 up").ok();
    let before = scene.state();
    let lent = json!({"cniVersion": LATEST, "interfaces": [{"name": "lent0"}]});
    let config = with(&Plugin::Bridge.config(LATEST), json!({"prevResult": lent, "ipam": null}));
    scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
    assert!(sh("ip -d link show lent0").ok().contains("master br0"));
    let damaged = with(&lent, json!({"cniVersion": "0.4.0", "ips": "none"}));
    scene.call(Plugin::Bridge, "DEL", with(&config, json!({"prevResult": damaged}))).run().ok();
    assert_eq!(before, scene.state());
}

#[test]
fn keys_that_are_not_needed() {
    cites!("DEL-2", "DEL-8", "CFG-4");
    let scene = Scene::with_a_switch();
    let keys = [
        json!({"args": 7}),
        json!({"args": {"cni": 7}}),
        json!({"runtimeConfig": 7}),
        json!({"capabilities": 7}),
        json!({"dns": 7}),
        json!({"type": 7}),
        json!({"type": null}),
        json!({"cniVersions": 7}),
        json!({"cni.dev/valid-attachments": 7}),
        json!({"delegateTimeoutSeconds": "soon"}),
        json!({"delegateTimeoutSeconds": 0}),
        json!({"delegateTimeoutSeconds": u64::MAX}),
        json!({"bridge": 7, "vlan": "x", "uplink": [], "isGateway": "no", "ipMasq": 1, "mtu": {}}),
        json!({"bw": {}, "download": 7, "interfaces": 7, "preset": []}),
        json!({"snat": 7, "masqAll": [], "markMasqBit": "x", "backend": 7, "conditionsV4": 7, "conditionsV6": ["x"]}),
        json!({"runtimeConfig": {"portMappings": [{"hostPort": "x"}, 7]}}),
    ];
    for plugin in ALL {
        let config = scene.config(plugin, LATEST);
        for keys in &keys {
            goes_in_spite_of(&scene, plugin, &config, keys);
        }
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
}

#[test]
fn keys_of_the_ipam_plugin_that_are_not_needed() {
    cites!("DEL-2", "DEL-6", "GC-1");
    let scene = Scene::new();
    let before = scene.state();
    let ipam = [
        json!({"ranges": 7}),
        json!({"ranges": [[{"subnet": 7}]]}),
        json!({"ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "10.9.0.1"}]]}),
        json!({"ranges": null, "subnet": [], "rangeStart": 7, "rangeEnd": 7, "gateway": 7}),
        json!({"resolvConf": 7}),
        json!({"resolvConf": "/no/such/file"}),
        json!({"rangeFromFile": 7}),
        json!({"routes": 7}),
        json!({"dataDir": null, "addresses": 7, "dns": 7}),
    ];
    for plugin in [Plugin::Bridge, Plugin::HostLocal, Plugin::Static] {
        let config = plugin.config(LATEST);
        for keys in &ipam {
            let keys = json!({"ipam": with(&config["ipam"], keys.clone())});
            goes_in_spite_of(&scene, plugin, &config, &keys);
            scene.call(plugin, "ADD", config.clone()).run().ok();
            let stale = with(&with(&config, keys.clone()), json!({"cni.dev/valid-attachments": []}));
            scene.call(plugin, "GC", stale).run().ok();
            assert_eq!(before, scene.state(), "GC by {plugin:?} with {keys}");
        }
    }
}

#[test]
fn arguments_that_are_malformed() {
    cites!("DEL-2", "ENV-12");
    let scene = Scene::with_a_switch();
    let garbage = OsStr::from_bytes(b"IP=\xff\xfe").to_owned();
    for plugin in ALL {
        let config = scene.config(plugin, LATEST);
        let before = scene.state();
        for args in
            ["=;=", "A", "A=1;;B=2", "MAC=1=2", "IP=banana"].map(OsString::from).into_iter().chain([garbage.clone()])
        {
            let (_, attached) = scene.added(plugin, &config);
            let reply = scene.call(plugin, "DEL", attached).env("CNI_ARGS", &args).run();
            assert_eq!(reply.status, 0, "{plugin:?} {args:?}: {reply}");
            assert_eq!(before, scene.state(), "{plugin:?} {args:?}");
            let is_told = args == "IP=banana" || reply.stderr.contains("ignored: CNI_ARGS");
            assert!(is_told, "{plugin:?} {args:?}: {reply}");
        }
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
}

/// Where the kernel has no packet filter, there are no rules.
#[test]
fn a_kernel_without_a_packet_filter() {
    cites!("DEL-2", "GC-3");
    let scene = Scene::new();
    let config = with(&Plugin::Bridge.config(LATEST), json!({"cni.dev/valid-attachments": []}));
    let before = scene.state();
    let call = |command, refusal: &'static Refusal| {
        let call = Process::new(Plugin::Bridge, command).attachment(&scene.c1, "eth0").refusing(refusal);
        call.start(&config).wait_with_output().expect("it ends")
    };
    for command in ["DEL", "GC"] {
        let added = call("ADD", &Refusal::PACKET_FILTER);
        assert!(added.status.success(), "{added:?}");
        let removed = call(command, &Refusal::PACKET_FILTER);
        assert!(removed.status.success(), "{command}: {removed:?}");
        assert_eq!(before, scene.state(), "{command}");
    }
}

/// The same for what has published nothing, because there is nothing to publish.
#[test]
fn published_ports_on_a_kernel_without_a_packet_filter() {
    cites!("DEL-2", "GC-3", "ADD-6");
    let scene = Scene::new();
    let config = scene.config(Plugin::Portmap, LATEST);
    let none = with(&config, json!({"runtimeConfig": null}));
    let before = scene.state();
    for (command, config, is_done) in
        [("ADD", &config, false), ("ADD", &none, true), ("DEL", &config, true), ("GC", &config, true)]
    {
        let call = Process::new(Plugin::Portmap, command).attachment(&scene.c1, "eth0");
        let output = call.refusing(&Refusal::PACKET_FILTER).start(config).wait_with_output().expect("it ends");
        assert_eq!(output.status.success(), is_done, "{command}: {output:?}");
        if !is_done {
            let (code, msg, _) = tests::error_object(&output);
            assert!(code == tests::codes::UNSUPPORTED_BY_KERNEL && msg.contains("nf"), "{code}: {msg}");
        }
        assert_eq!(before, scene.state(), "{command}");
    }
}

/// Another program holds a table of our name for itself.
#[test]
fn a_table_of_another_owner() {
    cites!("DEL-2", "GC-3");
    let scene = Scene::new();
    let config = with(&Plugin::Bridge.config(LATEST), json!({"cni.dev/valid-attachments": []}));
    let guarded = with(&config, json!({"ipMasq": true, "isGateway": true}));
    let before = State::take(&[&scene.c1]);
    scene.call(Plugin::Bridge, "ADD", guarded.clone()).run().ok();
    let mut owner = std::process::Command::new("nft")
        .arg("-i")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("nft starts");
    let mut commands = owner.stdin.take().expect("a pipe");
    std::io::Write::write_all(&mut commands, b"add table bridge plugboard { flags owner; }\n").expect("it is written");
    harness::wait_until("the table is there", || sh("nft list tables").ok().contains("table bridge plugboard"));
    for command in ["DEL", "GC"] {
        scene.call(Plugin::Bridge, command, guarded.clone()).run().ok();
        assert!(!sh("nft list ruleset").ok().contains("table inet plugboard"), "{command}: ours goes");
    }
    drop(commands);
    owner.wait().expect("nft ends");
    assert_eq!(before, State::take(&[&scene.c1]));
}

/// What is in the container's namespace goes with the host's end.
#[test]
fn a_namespace_that_may_not_be_entered() {
    cites!("DEL-4");
    let scene = Scene::new();
    let before = scene.state();
    for keys in [json!({}), json!({"nic": "tap", "tapNamespace": "container"})] {
        let (_, attached) = scene.added(Plugin::Bridge, &with(&Plugin::Bridge.config(LATEST), keys.clone()));
        let del = Process::new(Plugin::Bridge, "DEL").attachment(&scene.c1, "eth0").refusing(&Refusal::NAMESPACE);
        let removed = del.start(&attached).wait_with_output().expect("it ends");
        assert!(removed.status.success(), "{removed:?}");
        let told = String::from_utf8_lossy(&removed.stderr);
        assert!(told.contains("is left: namespace /run/netns/c1"), "{told}");
        assert_eq!(State::allocations().len(), 0);
        assert_eq!(sh("ls /sys/class/net").ok().trim(), "lo");
        // A device in the container stays until the namespace goes.
        scene.call(Plugin::Bridge, "DEL", attached).run().ok();
        assert_eq!(before, scene.state());
    }
}

/// No lock can be taken there. ADD needs it.
#[test]
fn a_run_directory_that_is_read_only_or_full() {
    cites!("DEL-2", "GC-3");
    let scene = Scene::new();
    // On a machine that has none it is a layer whose files are below /run.
    sh("mount -t tmpfs cni /var/lib/cni").ok();
    let config = with(&Plugin::Bridge.config(LATEST), json!({"cni.dev/valid-attachments": []}));
    let before = scene.state();
    for command in ["DEL", "GC"] {
        for has_lock in [true, false] {
            scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
            if !has_lock {
                std::fs::remove_dir_all("/run/plugboard").expect("nobody holds it");
            }
            sh("mount -o remount,ro /run").ok();
            let c2 = scene.call(Plugin::Bridge, "ADD", config.clone()).container("c2").run();
            let reply = scene.call(Plugin::Bridge, command, config.clone()).run();
            sh("mount -o remount,rw /run").ok();
            assert_eq!(c2.error().0, 5, "{c2}");
            assert!(reply.status == 0 && reply.stderr.contains("without a lock"), "{command} {has_lock}: {reply}");
            assert_eq!(before, scene.state(), "{command} {has_lock}");
        }
    }
}

#[test]
fn a_disk_that_is_full() {
    cites!("DEL-2", "GC-3");
    let scene = Scene::new();
    sh("mkdir -p /var/lib/cni/networks && mount -t tmpfs -o size=64k full /var/lib/cni/networks").ok();
    sh("mkdir /var/lib/cni/networks/other").ok();
    let config = with(&Plugin::Bridge.config(LATEST), json!({"cni.dev/valid-attachments": []}));
    let before = scene.state();
    for command in ["DEL", "GC"] {
        scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
        sh("! cat /dev/zero > /var/lib/cni/networks/other/fill 2> /dev/null").ok();
        scene.call(Plugin::Bridge, command, config.clone()).run().ok();
        assert_eq!(before, scene.state(), "{command}");
        std::fs::remove_file("/var/lib/cni/networks/other/fill").expect("it was filled");
    }
    sh("umount /var/lib/cni/networks").ok();
}

/// The addresses of an IPAM plugin that is not there, or not named, cannot be released. All else goes, and the error says what to
/// do.
#[test]
fn an_ipam_plugin_that_cannot_be_told() {
    cites!("DLG-1", "DLG-5", "DEL-9", "GC-3");
    let scene = Scene::new();
    let config = with(&Plugin::Bridge.config(LATEST), json!({"cni.dev/valid-attachments": []}));
    let before = scene.state();
    std::fs::write(scene.directory("plain").join("plain"), "text").expect("it is written");
    let path = format!("/run/scene/plain:{}", harness::bin_dir().display());
    for (ipam, code, culprit) in [
        (json!({"type": "hostlocal"}), 4, "hostlocal"),
        (json!({"type": "plain"}), 4, "is not an executable file"),
        (json!({"type": "../host-local"}), 7, "ipam.type"),
        (json!({"type": 7}), 7, "ipam.type"),
        (json!(7), 7, "ipam is 7"),
        (json!([]), 7, "ipam is []"),
    ] {
        let broken = with(&config, json!({"ipam": ipam}));
        // None of these makes anything.
        for (command, told) in [("ADD", "ADD"), ("STATUS", "STATUS"), ("PRINT", "ADD")] {
            let call = scene.call(Plugin::Bridge, told, broken.clone()).env("CNI_COMMAND", command);
            let reply = call.env("CNI_PRINT", told).path(&path).run();
            let (found, msg, _) = reply.error();
            assert!(found == code && msg.contains(culprit), "{command} {ipam}: {reply}");
            assert_eq!(before, scene.state(), "{command} {ipam}");
        }
        for command in ["DEL", "GC"] {
            scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
            let reply = scene.call(Plugin::Bridge, command, broken.clone()).path(&path).run();
            let (found, msg, _) = reply.error();
            assert_eq!(found, code, "{command} {ipam}: {reply}");
            assert!(msg.contains(culprit) && msg.contains("install the IPAM plugin"), "{command} {ipam}: {msg}");
            assert_eq!(State::allocations().len(), 1, "{command} {ipam}");
            assert_eq!(sh("ls /sys/class/net").ok().trim(), "lo", "{command} {ipam}");
            scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
            assert_eq!(before, scene.state(), "{command} {ipam}");
        }
    }
}
