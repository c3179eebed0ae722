//! Containers whose namespaces live as long as their processes.

use std::process::Child;

use harness::{Background, Invocation, spawn, wait_until};
use serde_json::Value;

/// A container without a name for its namespace, and the network of its NIC.
pub(crate) struct Container<'a> {
    process: Background,
    id: &'static str,
    interface: &'static str,
    config: &'a Value,
}

impl<'a> Container<'a> {
    pub(crate) fn start(id: &'static str, interface: &'static str, config: &'a Value) -> Self {
        let mut process = spawn("exec unshare --net sleep 1000");
        let own = std::fs::read_link("/proc/thread-self/ns/net").expect("a namespace");
        let path = format!("/proc/{}/ns/net", process.child().id());
        wait_until(&format!("{id} has a namespace"), || {
            !std::fs::read_link(&path).is_ok_and(|namespace| namespace == own)
        });
        Self { process, id, interface, config }
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        self.process.child()
    }

    pub(crate) fn call(&mut self, command: &str) -> Invocation {
        let path = format!("/proc/{}/ns/net", self.child().id());
        let plugin = self.config["type"].as_str().expect("a plugin");
        Invocation::new(plugin, command).container(self.id).netns(path).ifname(self.interface).config(self.config)
    }

    /// Ends it without a word, as the kernel does when memory runs out.
    pub(crate) fn kill(&mut self) {
        self.child().kill().expect("a child can be killed");
        self.child().wait().expect("a child can be reaped");
    }
}
