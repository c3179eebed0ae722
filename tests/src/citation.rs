//! Citing rows of the checklist from a test.

use crate::checklist;

/// The rows that a running test answers to. Printed when the test has passed.
#[derive(Debug)]
pub struct Citation {
    ids: &'static [&'static str],
}

impl Citation {
    /// Cites rows by their ids.
    ///
    /// # Panics
    /// On an id that the checklist does not have.
    pub fn new(ids: &'static [&'static str]) -> Self {
        let known = checklist::ids();
        for id in ids {
            assert!(known.contains(id), "the checklist has no row {id}");
        }
        Self { ids }
    }
}

impl Drop for Citation {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for id in self.ids {
                println!("cites {id}");
            }
        }
    }
}

/// Cites rows of `checklist.md`, as the first statement of a test: `cites!("ENV-2", "ENV-3");`. A run prints the ids of the
/// tests that passed, and the command `uncited` lists the rows that no test cites.
#[macro_export]
macro_rules! cites {
    ($($id:literal),+ $(,)?) => {
        let _citation = $crate::Citation::new(&[$($id),+]);
    };
}
