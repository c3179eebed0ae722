//! The target of a command: a network namespace, by path, by name or by process.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};

use crate::cli::Subject;
use crate::namespace::TargetNamespace;

/// Where namespaces have names (`ip netns`).
const NAMED: [&str; 2] = ["/run/netns", "/var/run/netns"];

/// A container, known by its ID whether or not its namespace still exists.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// `CNI_CONTAINERID`.
    pub(crate) container_id: String,
    /// Where its namespace may be, in order.
    paths: Vec<PathBuf>,
}

impl Target {
    pub(crate) fn new(subject: &Subject) -> anyhow::Result<Self> {
        let text = subject.target.as_str();
        let (derived, paths) = resolve(text)?;
        let container_id = subject.container_id.clone().unwrap_or(derived);
        if let Some(objection) = cni::objection_to_name(&container_id) {
            bail!("container ID '{container_id}' is not valid: {objection}; give one with --container-id");
        }
        Ok(Self { container_id, paths })
    }

    /// The namespace, which must exist, for callers that may lack the permission to enter it: its path, and `None` then.
    pub(crate) fn look(&self) -> anyhow::Result<(PathBuf, Option<TargetNamespace>)> {
        for path in &self.paths {
            match path.try_exists() {
                Ok(true) => return Ok((path.clone(), TargetNamespace::open_if_allowed(path)?)),
                Ok(false) => {}
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok((path.clone(), None)),
                Err(error) => return Err(error).with_context(|| format!("cannot look at {}", path.display())),
            }
        }
        Err(self.missing())
    }

    /// The namespace, which must exist.
    pub(crate) fn open(&self) -> anyhow::Result<TargetNamespace> {
        for path in &self.paths {
            if path.try_exists().with_context(|| format!("cannot look at {}", path.display()))? {
                return TargetNamespace::open(path);
            }
        }
        Err(self.missing())
    }

    fn missing(&self) -> anyhow::Error {
        let places = self.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        anyhow!("there is no network namespace at {}", places.join(" or "))
    }
}

/// The container ID and the possible paths that a target stands for.
fn resolve(text: &str) -> anyhow::Result<(String, Vec<PathBuf>)> {
    if let Some(pid) = text.strip_prefix("pid:") {
        let Some(pid) = read_pid(pid) else {
            bail!("'{text}' does not name a process: pid:N is expected, N a number from 1 on")
        };
        return Ok((format!("pid-{pid}"), vec![format!("/proc/{pid}/ns/net").into()]));
    }
    if text.contains('/') {
        let path = std::path::absolute(text).with_context(|| format!("'{text}' is not a path"))?;
        return Ok((id_of_path(&path), vec![path]));
    }
    if text.is_empty() || text == "." || text == ".." {
        bail!("'{text}' does not name a network namespace: a path, a name under /run/netns, or pid:N is expected");
    }
    Ok((text.to_owned(), NAMED.map(|dir| Path::new(dir).join(text)).to_vec()))
}

fn read_pid(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|pid| *pid > 0)
}

/// `/proc/N/ns/net` belongs to process N; any other path to what its last part names.
fn id_of_path(path: &Path) -> String {
    let pid =
        path.strip_prefix("/proc").ok().and_then(|rest| rest.to_str()?.strip_suffix("/ns/net").and_then(read_pid));
    match pid {
        Some(pid) => format!("pid-{pid}"),
        None => path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str, container_id: Option<&str>) -> anyhow::Result<Target> {
        Target::new(&Subject { target: text.to_owned(), container_id: container_id.map(str::to_owned) })
    }

    fn id(text: &str) -> String {
        target(text, None).unwrap().container_id
    }

    #[test]
    fn the_container_id_comes_from_the_target() {
        assert_eq!(id("c1"), "c1");
        assert_eq!(id("/run/netns/c1"), "c1");
        assert_eq!(id("/run/docker/netns/0b1c"), "0b1c");
        assert_eq!(id("pid:42"), "pid-42");
        assert_eq!(id("/proc/42/ns/net"), "pid-42");
        assert_eq!(target("pid:42", Some("web")).unwrap().container_id, "web");
    }

    #[test]
    fn a_name_is_looked_for_under_run_netns_first() {
        let paths = target("c1", None).unwrap().paths;
        assert_eq!(paths, [Path::new("/run/netns/c1"), Path::new("/var/run/netns/c1")]);
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in
            ["", ".", "..", "pid:", "pid:0", "pid:x", "pid:-1", "pid:+1", "pid:99999999999", "/", "-c1", "a b", "a;b"]
        {
            assert!(target(text, None).is_err(), "{text}");
        }
        assert!(target("c1", Some("-x")).is_err());
    }
}
