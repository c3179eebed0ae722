use std::path::Path;

/// A line for everything below `directory`, with what is in it; none when it does not exist.
pub(crate) fn files(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut lines = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.display();
        if let Ok(target) = path.read_link() {
            lines.push(format!("link {name} -> {}", target.display()));
        } else if path.is_dir() {
            lines.push(format!("directory {name}"));
            lines.extend(files(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("read {name}: {e}"));
            lines.push(format!("file {name}: {}", String::from_utf8_lossy(&bytes)));
        }
    }
    lines
}
