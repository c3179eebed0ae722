//! What holds of the sources as texts.

mod imports;
