//! What holds of the sources as texts, and of what they are built upon.

mod documents;
mod imports;
mod licences;
mod networks;
