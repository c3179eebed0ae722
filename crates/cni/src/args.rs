//! `CNI_ARGS`: `K=V;K=V` (ENV-12).

use crate::Error;

/// The pairs of `CNI_ARGS`, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Args(Vec<(String, String)>);

impl Args {
    /// Parses `K=V;K=V`; an empty text has no pairs.
    ///
    /// # Errors
    /// Code 4 naming `CNI_ARGS` and the pair that is malformed.
    pub fn parse(_text: &str) -> Result<Self, Error> {
        todo!()
    }

    /// The value of a key; the last one if it is repeated.
    pub fn get(&self, _key: &str) -> Option<&str> {
        todo!()
    }

    /// `IgnoreUnknown=1` or `true`.
    pub fn ignore_unknown(&self) -> bool {
        todo!()
    }

    /// Fails on a key that is not among `known`, unless `IgnoreUnknown` is set. The keys that every Kubernetes runtime
    /// sets (`IgnoreUnknown`, `K8S_*`) are only exempt through `IgnoreUnknown`, as in the reference.
    ///
    /// # Errors
    /// Code 4 naming `CNI_ARGS`, the unknown key and the known ones.
    pub fn only(&self, _known: &[&str]) -> Result<(), Error> {
        todo!()
    }
}
