//! What all benchmarks print: tables, the machine, and goals.

pub mod goal;
pub mod machine;
pub mod table;
