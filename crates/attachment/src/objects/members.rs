//! Members of a bridge reaching each other.

use crate::firewall::forward;
use crate::{Device, Difference, Error, Kernel, Object};

/// Members of a bridge reach each other although the host's firewall drops what it forwards. Stands behind the bridge, whose
/// lock keeps what they share.
#[derive(Debug)]
pub struct Members {
    /// The bridge.
    pub bridge: String,
}

impl Object for Members {
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let has_rule = forward::ensure(kernel, &self.bridge)?;
        if !has_rule && kernel.seen(&Device::host(&self.bridge))?.is_none() {
            forward::note_legacy(&self.bridge); // once for each bridge: when it is made
        }
        Ok(())
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        forward::differences(kernel, &self.bridge)
    }

    /// The rule is the bridge's, and goes with the last attachment on it.
    fn remove(&self, _kernel: &mut Kernel) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        let command = |tool: &str| {
            format!(
                "! {tool} -S FORWARD | grep -qx -e '-P FORWARD DROP' || {tool} -A FORWARD -i {0} -o {0} \
                 -m comment --comment 'plugboard: members of {0}' -j ACCEPT",
                self.bridge
            )
        };
        vec![command("iptables"), command("ip6tables")]
    }
}
