//! Examining what `CNI_NETNS` names before anything is done with it (ENV-16, ENV-17).

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use cni::{Code, Environment, Error};
use netlink::Namespace;

/// What the path of a call's namespace turned out to be.
pub(crate) enum Found {
    /// A network namespace, and another than the plugin's own, unless that is allowed.
    Usable,
    /// The plugin's own, which `CNI_NETNS_OVERRIDE` does not allow.
    Own(Error),
    /// Nothing, or no network namespace.
    Unusable(Error),
}

/// Looks at the namespace of a call. A call without one, which only DEL may be, has a usable one.
pub(crate) fn look_at(environment: &Environment) -> Found {
    let Some(path) = &environment.netns else { return Found::Usable };
    // By its kind first: to open a pipe would wait for its writer.
    match fs::metadata(path) {
        Err(error) => return Found::Unusable(invalid(path, &error.to_string())),
        Ok(found) if found.is_dir() => {
            return Found::Unusable(invalid(path, "it is a directory, not a network namespace"));
        }
        Ok(found) if !found.is_file() => {
            return Found::Unusable(invalid(path, "it is a device, pipe or socket, not a network namespace"));
        }
        Ok(found) if !environment.netns_override && is_own(&found) => {
            let reason = "it is the plugin's own; plugin's netns and netns from CNI_NETNS should not be the same \
                          (CNI_NETNS_OVERRIDE=1 allows it)";
            return Found::Own(invalid(path, reason));
        }
        Ok(_) => {}
    }
    match Namespace::open(path) {
        Ok(_) => Found::Usable,
        Err(error) => Found::Unusable(invalid(path, &error.to_string())),
    }
}

/// The namespace of a call that changes nothing, whoever calls: `None` if the caller may not enter it, or if there is none.
///
/// # Errors
/// Code 8: there is nothing, or no network namespace, or the plugin's own.
pub(crate) fn open_if_allowed(environment: &Environment) -> Result<Option<Namespace>, Error> {
    let Some(path) = &environment.netns else { return Ok(None) };
    // The link below /proc of another user's process cannot be followed.
    if fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
        return Ok(None);
    }
    match look_at(environment) {
        Found::Usable => {}
        Found::Own(error) | Found::Unusable(error) => return Err(error),
    }
    let opened = Namespace::open(path).and_then(|namespace| namespace.within(|| ()).map(|()| namespace));
    match opened.map_err(attachment::Error::Namespace) {
        Ok(namespace) => Ok(Some(namespace)),
        Err(error) if error.is_forbidden() => Ok(None),
        Err(error) => Err(invalid(path, &error.to_string())),
    }
}

fn is_own(found: &fs::Metadata) -> bool {
    // Where /proc is not mounted, nothing can be compared; the reference goes on, too.
    fs::metadata("/proc/self/ns/net").is_ok_and(|own| (own.dev(), own.ino()) == (found.dev(), found.ino()))
}

fn invalid(path: &Path, reason: &str) -> Error {
    Error::new(Code::InvalidNamespace, format!("CNI_NETNS is {path:?}: {reason}"))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn at(path: &str, allowed: &str) -> Found {
        let environment = Environment::read(true, |name| {
            let value = match name {
                "CNI_COMMAND" => "ADD",
                "CNI_CONTAINERID" => "c1",
                "CNI_IFNAME" => "eth0",
                "CNI_NETNS" => path,
                "CNI_NETNS_OVERRIDE" => allowed,
                _ => return None,
            };
            Some(OsString::from(value))
        });
        look_at(&environment.unwrap())
    }

    #[test]
    fn what_is_no_network_namespace_is_said() {
        for (path, part) in [
            ("/run/no-such-namespace", "No such file"),
            ("/proc", "directory"),
            ("/dev/null", "device"),
            ("/proc/version", "file"),
            ("/proc/self/ns/mnt", "another kind"),
        ] {
            let Found::Unusable(error) = at(path, "") else { panic!("{path} passed") };
            assert_eq!(error.code, Code::InvalidNamespace);
            assert!(error.msg.contains(&format!("CNI_NETNS is {path:?}")) && error.msg.contains(part), "{}", error.msg);
        }
    }

    #[test]
    fn our_own_needs_the_override() {
        let Found::Own(error) = at("/proc/self/ns/net", "") else { panic!("our own passed") };
        assert_eq!(error.code, Code::InvalidNamespace);
        assert!(error.msg.contains("plugin's netns and netns from CNI_NETNS should not be the same"), "{}", error.msg);
        assert!(matches!(at("/proc/self/ns/net", "0"), Found::Own(_)));
        assert!(matches!(at("/proc/self/ns/net", "1"), Found::Usable));
        assert!(matches!(at("/proc/self/ns/net", "TRUE"), Found::Usable));
    }
}
