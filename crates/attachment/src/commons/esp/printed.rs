//! The commands for it, without its keys.

use netlink::xfrm::{self, Policy, State, StateId};

use super::Esp;
use super::derived::Derived;
use super::found::Installed;
use crate::Secret;

impl Esp {
    /// Those that make what is not there.
    pub(super) fn creation_commands(&self, installed: &Installed) -> Vec<String> {
        let policies = self.policies();
        let missing = policies.iter().filter(|policy| !installed.policies.contains(policy));
        let mut commands: Vec<String> = missing
            .map(|policy| {
                let Policy { request_id, .. } = policy;
                let selector = selector(policy);
                format!("ip xfrm policy add {selector} priority 0 tmpl proto esp reqid {request_id:#x} mode transport")
            })
            .collect();
        let missing = self.all_wanted().into_iter().filter(|wanted| !installed.has(wanted));
        commands.extend(missing.map(|wanted| self.state_command(&wanted)));
        commands
    }

    fn state_command(&self, wanted: &Derived) -> String {
        let state = wanted.state(self.request_id());
        let hidden = Secret::new(Vec::new());
        format!(
            "ip xfrm state add src {} {} reqid {:#x} mode transport replay-window 0 extra-flag oseq-may-wrap auth-trunc '{}' {hidden} 128 \
             enc '{}' {hidden} sel src {} dst {} proto udp dport {}",
            state.source,
            name(state.id),
            state.request_id,
            xfrm::AUTHENTICATION,
            xfrm::CIPHER,
            state.source,
            state.id.destination,
            state.port,
        )
    }
}

impl Installed {
    pub(super) fn removal_commands(&self) -> Vec<String> {
        let states = self
            .states
            .iter()
            .map(|State { id, source, .. }| format!("ip xfrm state delete src {source} {}", name(*id)));
        let policies = self.policies.iter().map(|policy| format!("ip xfrm policy delete {}", selector(policy)));
        states.chain(policies).collect()
    }
}

fn name(id: StateId) -> String {
    format!("dst {} proto esp spi {:#010x}", id.destination, id.spi)
}

fn selector(policy: &Policy) -> String {
    let Policy { direction, source, destination, port, .. } = policy;
    format!("dir {} src {source} dst {destination} proto udp dport {port}", direction.word())
}
