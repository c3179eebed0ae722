//! Processes, as messages name them.

/// A process in words, as `process 123 (host-local)`. A process gives itself whatever name it likes: control characters become `?`.
#[must_use]
pub fn process_in_words(id: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    let name: String = name.trim_end().chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    format!("process {id} ({name})")
}
