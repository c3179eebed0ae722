//! The keys that every plugin with an IPAM plugin has.

use crate::keys;

keys! {
    /// What is asked of the call of an IPAM plugin.
    #[object(others = told, example = r#"{"delegateTimeoutSeconds": 60}"#)]
    pub struct DelegateKeys {
        /// an IPAM plugin that takes longer is killed
        #[key("delegateTimeoutSeconds", accepts = "seconds", default = "30", example = "60", is_ours = true)]
        pub delegate_timeout_seconds: Option<u64>,
    }
}
