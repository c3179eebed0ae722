//! Pods of containerd, as kubelet asks for them: Kubernetes' annotations for bandwidth become queues.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::{Host, Snapshot, bin, ip, sh, tc};
use serde_json::{Value, json};

/// A containerd of the test's own, with our plugins, and the reference's `loopback`, which it calls by itself.
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
        let ours = ["bridge", "host-local", "netem-shaper"].map(bin);
        for plugin in ours.iter().map(PathBuf::as_path).chain([Path::new("/usr/lib/cni/loopback")]) {
            let name = plugin.file_name().expect("a plugin has a name");
            std::os::unix::fs::symlink(plugin, plugins.join(name)).expect("a link");
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

    /// What `cri.py` prints.
    fn cri(&self, arguments: &str) -> String {
        let (script, socket) = (script("cri.py"), self.path("socket"));
        let output = sh(&format!("/usr/bin/python3 {} {} {arguments}", script.display(), socket.display()));
        assert_eq!(output.status, 0, "{}\n{}", output.stderr, self.log());
        output.stdout.trim().to_owned()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // All that runs in its PID namespace ends with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let name = self.directory.file_name().unwrap_or_default().display();
        // What was killed leaves its control group a moment later.
        let remove = format!("find /sys/fs/cgroup -depth -type d -path '*/{name}*' -exec rmdir {{}} +");
        let begin = Instant::now();
        let mut output = sh(&remove);
        while output.status != 0 && begin.elapsed() < Duration::from_secs(5) {
            sleep(Duration::from_millis(50));
            output = sh(&remove);
        }
        if output.status != 0 && !std::thread::panicking() {
            panic!("{}", output.stderr);
        }
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/containerd").join(name)
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

#[test]
fn annotations_of_a_pod_limit_both_directions() {
    let _host = Host::enter();
    sh("mkdir -p /etc/cni/net.d").ok();
    let list = json!({"cniVersion": "1.0.0", "name": "pods", "plugins": [
        {"type": "bridge", "bridge": "pods-br", "isGateway": true,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.83.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
        {"type": "netem-shaper", "capabilities": {"bandwidth": true}}]});
    std::fs::write("/etc/cni/net.d/10-pods.conflist", list.to_string()).expect("a file");
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

    containerd.cri(&format!("stop {limited}"));
    assert_eq!(rates(), []);
    containerd.cri(&format!("stop {free}"));
    assert_eq!(before, Snapshot::take::<&str>(&[], &[]), "the last pod leaves nothing");
}
