//! A call: environment and configuration together.

use crate::{Config, Environment};

/// One call of a plugin by a runtime.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its environment.
    pub environment: Environment,
    /// Its configuration.
    pub config: Config,
}
