use crate::ping::Ping;
use crate::sh;
use crate::shell::{self, Background, Output, json, run};
use serde_json::Value;
use std::path::PathBuf;

/// A named network namespace: a container, a virtual machine's sandbox, or another host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// The name under which `ip netns` knows it.
    pub name: String,
    /// What a runtime would pass as `CNI_NETNS`.
    pub path: PathBuf,
}

impl Namespace {
    /// Runs `sh -c SCRIPT` in the namespace, as `ip netns exec NAME` does.
    pub fn sh(&self, script: &str) -> Output {
        run(&mut self.command(script), &format!("in {}: {script}", self.name))
    }

    /// Starts `sh -c SCRIPT` in the namespace and goes on; see [`Background`].
    pub fn spawn(&self, script: &str) -> Background {
        Background::start(&mut self.command(script), &format!("in {}: {script}", self.name))
    }

    /// `ip -j -d ARGS` in the namespace.
    pub fn ip(&self, args: &str) -> Value {
        json(&self.sh(&format!("ip -j -d {args}")))
    }

    /// `tc -j ARGS` in the namespace.
    pub fn tc(&self, args: &str) -> Value {
        json(&self.sh(&format!("tc -j {args}")))
    }

    /// Pings `address` from the namespace `count` times, 50 ms apart.
    pub fn ping(&self, address: &str, count: u32) -> Ping {
        self.ping_with(address, &format!("-c{count} -i.05 -W2"))
    }

    /// Pings `address` from the namespace with the options of iputils' `ping`.
    pub fn ping_with(&self, address: &str, options: &str) -> Ping {
        Ping::read(&self.sh(&Ping::command(address, options)))
    }

    /// Does something with a thread in the namespace.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        // A thread for it alone: it needs no way back.
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                let namespace = std::fs::File::open(&self.path).unwrap_or_else(|e| panic!("{}: {e}", self.name));
                nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET)
                    .unwrap_or_else(|e| panic!("setns {}: {e}", self.name));
                work()
            });
            inside.join().unwrap_or_else(|_| panic!("the work in {} failed", self.name))
        })
    }

    /// Removes the namespace as `ip netns delete` does. Its devices go as soon as nothing else holds it.
    pub fn delete(&self) {
        sh(&format!("ip netns delete {}", self.name)).ok();
    }

    fn command(&self, script: &str) -> std::process::Command {
        let mut command = std::process::Command::new("ip");
        command.args(["netns", "exec", &self.name, "sh", "-c", script]);
        shell::quiet(&mut command);
        command
    }
}
