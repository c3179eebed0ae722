//! LACs whose packets are encrypted with keys from a file. This kernel must have ESP; where it has not, the lab's serves.

mod clear;
mod differences;
mod kills;
mod replays;
mod rollover;
mod secrets;
mod shared;
mod site;
mod strangers;
mod users;
mod wire;
mod wraps;

use lab::{Feature, on_full_kernel};

/// Where the key of a LAC is.
const KEY: &str = "/etc/cni/lac.key";
const OTHER_KEY: &str = "/etc/cni/other.key";

/// [`on_full_kernel`] for what this needs.
fn sealed(body: impl FnOnce()) {
    on_full_kernel("M35", &[Feature::SealedUdp, Feature::Vxlan], body);
}
