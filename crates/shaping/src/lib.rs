//! Bandwidth and latency: the grammar in which a person states them, and the arithmetic of the queues that keep them.
//!
//! Pure: no input, no output, no netlink. Rates and times are 64-bit integers throughout; whatever a caller passes in,
//! nothing here overflows, divides by zero or panics.

mod delay;
mod dependence;
mod distribution;
mod expectation;
mod ip;
mod limits;
mod line;
mod loss;
mod netem;
pub mod networks;
mod probability;
mod quantity;
mod rate;
mod restriction;
mod restrictions;
mod size;
mod spread;
mod tbf;
mod wire;

pub use delay::Delay;
pub use dependence::VarianceFactors;
pub use distribution::{Distribution, DistributionError};
pub use expectation::Expectation;
pub use ip::Ip;
pub use limits::Limits;
pub use line::{Line, LineError, Slot};
pub use loss::{Chance, Loss};
pub use netem::netem_limit;
pub use probability::Probability;
pub use quantity::QuantityError;
pub use rate::Rate;
pub use restriction::RestrictionError;
pub use size::parse_bytes;
pub use spread::Spread;
pub use tbf::Tbf;
