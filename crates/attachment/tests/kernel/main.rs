//! Descriptions on a real kernel.

mod kinds_of_ones_own;
mod print;
mod print_impairments;
