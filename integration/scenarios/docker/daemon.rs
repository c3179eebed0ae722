//! A Docker of the test's own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::{Background, Namespace, Output, sh, spawn};
use integration::remove_control_groups;

/// `dockerd` with directories of its own, on the host that the thread is on.
pub(crate) struct Docker {
    directory: PathBuf,
    control_group: String,
    daemon: Background,
}

impl Docker {
    /// Starts it, with an image `box` of `busybox` and `iperf3`. It connects nothing by itself, so that the host's packet filter stays as
    /// it is.
    ///
    /// # Panics
    /// If it does not serve within half a minute.
    pub(crate) fn start() -> Self {
        Self::with(
            "--bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --userland-proxy=false",
        )
    }

    /// The same as it is without options, but for the proxy that would listen at published ports: it connects its containers to
    /// `docker0`, and drops what is forwarded elsewhere.
    ///
    /// # Panics
    /// As [`Docker::start`].
    pub(crate) fn with_a_bridge() -> Self {
        // Where the host forwards already, it drops nothing.
        sh("echo 0 > /proc/sys/net/ipv4/ip_forward").ok();
        Self::with("--userland-proxy=false")
    }

    fn with(options: &str) -> Self {
        let directory = Path::new("/run/docker-of-the-test").to_owned();
        let place = directory.display();
        // It keeps a key of its own there, wherever else its directories are.
        sh("mount -t tmpfs none /etc/docker").ok();
        sh(&format!("mkdir {place} && echo '{{}}' > {place}/config.json")).ok();
        let control_group = format!("plugboard-docker-{}", std::process::id());
        let daemon = spawn(&format!(
            "exec dockerd --config-file {place}/config.json --data-root {place}/data --exec-root {place}/exec \
             --pidfile {place}/pid --host unix://{place}/socket \
             {options} --storage-driver vfs --cgroup-parent /{control_group} 2> {place}/log"
        ));
        let mut docker = Self { directory, control_group, daemon };
        docker.wait();
        docker.import();
        docker
    }

    fn wait(&mut self) {
        let begin = Instant::now();
        while self.output("version").status != 0 {
            let ended = self.daemon.child().try_wait().ok().flatten();
            let file = self.directory.join("log");
            let log = || std::fs::read_to_string(&file).unwrap_or_default();
            assert!(ended.is_none(), "dockerd ended ({ended:?}):\n{}", log());
            assert!(begin.elapsed() < Duration::from_secs(30), "dockerd does not serve:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The programs with the libraries that the machine has for them.
    fn import(&self) {
        let place = self.directory.display();
        sh(&format!(
            "mkdir {place}/box && cd {place}/box && mkdir bin dev etc proc run sys tmp && cp \"$(command -v busybox)\" bin/ && \
             iperf3=\"$(command -v iperf3)\" && cp \"$iperf3\" bin/ && \
             for file in $(ldd \"$iperf3\" | grep -o '/[^ )]*'); do cp --parents --dereference $file .; done && \
             tar --create . > {place}/box.tar"
        ))
        .ok();
        self.call(&format!("import {place}/box.tar box"));
    }

    fn output(&self, arguments: &str) -> Output {
        let place = self.directory.display();
        // No settings of whoever runs the test.
        sh(&format!("DOCKER_CONFIG={place} docker --host unix://{place}/socket {arguments}"))
    }

    /// What `docker ARGUMENTS` prints.
    pub(crate) fn call(&self, arguments: &str) -> String {
        self.output(arguments).ok()
    }

    /// Starts a container that waits, without any network.
    pub(crate) fn run(&self, name: &'static str) -> Container<'_> {
        self.call(&format!("run --detach --name {name} --network none box /bin/busybox sleep 1000"));
        let about =
            self.call(&format!("inspect --format '{{{{.State.Pid}}}} {{{{.NetworkSettings.SandboxKey}}}}' {name}"));
        let (pid, sandbox) = about.split_once(' ').unwrap_or_else(|| panic!("{about}"));
        let container = Container { docker: self, name, pid: pid.parse().expect("a process"), sandbox: sandbox.into() };
        // As people make it known to `ip netns`; the link does not keep the namespace.
        sh(&format!("ln -sfn /proc/{pid}/ns/net /run/netns/{name}")).ok();
        container
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // What a test that failed has left running in its containers, before the daemon is gone.
        let groups =
            format!("find /sys/fs/cgroup -path '*/{}/*' -name cgroup.procs -exec cat {{}} +", self.control_group);
        sh(&format!("for process in $({groups} | sort -u); do kill -9 $process; done"));
        remove_control_groups(&self.control_group);
    }
}

/// A container of Docker's that runs.
pub(crate) struct Container<'a> {
    docker: &'a Docker,
    pub(crate) name: &'static str,
    pub(crate) pid: u32,
    /// Where Docker keeps its network namespace.
    pub(crate) sandbox: PathBuf,
}

impl Container<'_> {
    pub(crate) const fn docker(&self) -> &Docker {
        self.docker
    }

    /// What `docker exec NAME COMMAND` prints.
    pub(crate) fn exec(&self, command: &str) -> String {
        self.docker.call(&format!("exec {} {command}", self.name))
    }

    /// Its network, for whatever looks at it from outside.
    pub(crate) fn namespace(&self) -> Namespace {
        Namespace { name: self.name.to_owned(), path: format!("/proc/{}/ns/net", self.pid).into() }
    }

    /// Ends it without a word to anybody, and waits until its namespace is gone.
    pub(crate) fn kill(self) {
        self.docker.call(&format!("rm --force {}", self.name));
    }
}
