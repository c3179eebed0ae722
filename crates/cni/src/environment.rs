//! The environment of a call: `CNI_COMMAND` and its companions (ENV-1 to ENV-17).

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::excerpt::quoted;
use crate::name::{objection_to_interface, objection_to_name};
use crate::{Args, Code, Error};

/// The operation asked for (ENV-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Command {
    Add,
    Del,
    Check,
    Gc,
    Status,
    Version,
    /// Not in the specification: changes what exists into what the configuration now says. It has the form of CHECK.
    Update,
}

impl Command {
    /// Those of the specification.
    const ALL: [Self; 6] = [Self::Add, Self::Del, Self::Check, Self::Gc, Self::Status, Self::Version];

    /// The word in `CNI_COMMAND` that asks to print what another command would do.
    pub const PRINT: &str = "PRINT";

    /// The word in `CNI_COMMAND`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
            Self::Update => "UPDATE",
        }
    }

    fn from_word(word: &OsStr) -> Result<Self, Error> {
        let mut all = Self::ALL.into_iter().chain([Self::Update]);
        all.find(|command| command.as_str() == word).ok_or_else(|| Self::unknown(word))
    }

    /// The command that `CNI_PRINT` names.
    fn printed(word: &OsStr) -> Result<Self, Error> {
        [Self::Add, Self::Del, Self::Gc].into_iter().find(|command| command.as_str() == word).ok_or_else(|| {
            let word = quoted(&word.to_string_lossy());
            invalid(format!("CNI_PRINT is {word}: it must be ADD, DEL or GC"))
        })
    }

    /// The error of a plugin that does not know the command.
    #[must_use]
    pub fn unknown(word: impl AsRef<OsStr>) -> Error {
        let known = Self::ALL.map(Self::as_str).join(", ");
        let word = quoted(&word.as_ref().to_string_lossy());
        invalid(format!("CNI_COMMAND is {word}, an unknown command; known are {known}"))
    }

    /// The variables without which the command makes no sense (ENV-4 to ENV-9).
    fn required(self) -> &'static [&'static str] {
        match self {
            Self::Add | Self::Check | Self::Update => &["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
            Self::Del => &["CNI_CONTAINERID", "CNI_IFNAME"],
            Self::Gc => &["CNI_PATH"],
            Self::Status | Self::Version => &[],
        }
    }

    fn concerns_attachment(self) -> bool {
        matches!(self, Self::Add | Self::Del | Self::Check | Self::Update)
    }
}

/// The environment of a call, validated for its command.
#[derive(Debug, Clone)]
pub struct Environment {
    /// `CNI_COMMAND`; if that is PRINT, the command whose work is to be printed.
    pub command: Command,
    /// Print what the command would do, and do nothing: an extension of ours. `CNI_COMMAND` is PRINT, and `CNI_PRINT` names the
    /// command: ADD, DEL or GC.
    pub is_printed: bool,
    /// `CNI_CONTAINERID`; empty for GC, STATUS and VERSION.
    pub container_id: String,
    /// `CNI_NETNS`; `None` when unset or empty, which only DEL, GC, STATUS and VERSION allow.
    pub netns: Option<PathBuf>,
    /// `CNI_IFNAME`; empty for GC, STATUS and VERSION.
    pub if_name: String,
    /// `CNI_ARGS`; without pairs for GC, STATUS and VERSION.
    pub args: Args,
    /// What is wrong with `CNI_ARGS`, for DEL and for plugins without a key there, which do without.
    pub args_objection: Option<String>,
    /// `CNI_PATH`, split at colons, in order.
    pub path: Vec<PathBuf>,
    /// `CNI_NETNS_OVERRIDE` is `1` or `true`: the container's namespace may be the plugin's own (ENV-16).
    pub netns_override: bool,
    /// The `type` of the plugin of ours whose delegate this call is, or the delegate of a delegate: an extension of ours,
    /// [`Environment::DELEGATED_BY`].
    pub delegated_by: Option<String>,
}

impl Environment {
    /// The variable by which a plugin of ours tells its delegate, and all that this one starts, who has called it. A delegate of
    /// another party passes it on unknowingly.
    pub const DELEGATED_BY: &str = "CNI_DELEGATED_BY";

    /// Reads and validates the variables that the command needs. `variable` looks one up. An empty variable counts as
    /// missing, as in the reference. `CNI_ARGS` must be well-formed for a plugin that has a key there (`reads_args`); it is given
    /// to all plugins of a chain, and nothing else depends on it.
    ///
    /// # Errors
    /// Code 4; one message names every variable that is missing, else every one that is invalid (ENV-3, ENV-15).
    pub fn read(reads_args: bool, variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let word = set("CNI_COMMAND").ok_or_else(|| missing(&["CNI_COMMAND"]))?;
        let is_printed = word == Command::PRINT;
        let command = match is_printed {
            true => Command::printed(&set("CNI_PRINT").ok_or_else(|| missing(&["CNI_PRINT"]))?)?,
            false => Command::from_word(&word)?,
        };
        let absent: Vec<&str> = command.required().iter().copied().filter(|name| set(name).is_none()).collect();
        if !absent.is_empty() {
            return Err(missing(&absent));
        }
        let mut environment = Self {
            command,
            is_printed,
            container_id: String::new(),
            netns: set("CNI_NETNS").map(PathBuf::from),
            if_name: String::new(),
            args: Args::default(),
            args_objection: None,
            path: set("CNI_PATH").map(|list| directories(&list)).unwrap_or_default(),
            netns_override: set("CNI_NETNS_OVERRIDE")
                .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true")),
            delegated_by: set(Self::DELEGATED_BY).map(|by| by.to_string_lossy().into_owned()),
        };
        if command.concerns_attachment() {
            environment.read_attachment(reads_args, set)?;
        }
        Ok(environment)
    }

    fn read_attachment(&mut self, reads_args: bool, set: impl Fn(&str) -> Option<OsString>) -> Result<(), Error> {
        let mut problems = Vec::new();
        match text(&set, "CNI_CONTAINERID", objection_to_name) {
            Ok(container_id) => self.container_id = container_id,
            Err(problem) => problems.push(problem),
        }
        match text(&set, "CNI_IFNAME", objection_to_interface) {
            Ok(if_name) => self.if_name = if_name,
            Err(problem) => problems.push(problem),
        }
        match text(&set, "CNI_ARGS", |_| None).and_then(|args| Args::parse(&args).map_err(|error| error.msg)) {
            Ok(args) => self.args = args,
            Err(problem) if !reads_args || self.command == Command::Del => self.args_objection = Some(problem),
            Err(problem) => problems.push(problem),
        }
        if problems.is_empty() { Ok(()) } else { Err(invalid(problems.join("; "))) }
    }
}

/// A variable as text, empty if it is not set, or what is wrong with it.
fn text(
    set: impl Fn(&str) -> Option<OsString>,
    name: &str,
    objection: impl Fn(&str) -> Option<&'static str>,
) -> Result<String, String> {
    let Some(value) = set(name) else { return Ok(String::new()) };
    let value = value
        .into_string()
        .map_err(|value| format!("{name} is {}: it must be UTF-8", quoted(&value.to_string_lossy())))?;
    match objection(&value) {
        None => Ok(value),
        Some(objection) => Err(format!("{name} is {}: {objection}", quoted(&value))),
    }
}

fn directories(list: &OsStr) -> Vec<PathBuf> {
    std::env::split_paths(list).filter(|directory| !directory.as_os_str().is_empty()).collect()
}

fn missing(names: &[&str]) -> Error {
    invalid(format!("required env variables [{}] missing", names.join(",")))
}

fn invalid(msg: String) -> Error {
    Error::new(Code::InvalidEnvironment, msg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    const ADD: [(&str, &str); 5] = [
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_NETNS", "/run/netns/c1"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_PATH", "/opt/cni/bin::/usr/lib/cni"),
    ];

    fn read(base: &[(&str, &str)], changed: &[(&str, &str)]) -> Result<Environment, Error> {
        read_by(true, base, changed)
    }

    fn read_by(reads_args: bool, base: &[(&str, &str)], changed: &[(&str, &str)]) -> Result<Environment, Error> {
        Environment::read(reads_args, |name| {
            changed.iter().chain(base).find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn add_reads_everything() {
        let environment = read(&ADD, &[("CNI_ARGS", "IP=10.1.0.5"), ("CNI_NETNS_OVERRIDE", "True")]).unwrap();
        assert_eq!(environment.command, Command::Add);
        assert_eq!(environment.container_id, "c1");
        assert_eq!(environment.netns, Some(PathBuf::from("/run/netns/c1")));
        assert_eq!(environment.if_name, "eth0");
        assert_eq!(environment.args.get("IP"), Some("10.1.0.5"));
        assert_eq!(environment.path, [PathBuf::from("/opt/cni/bin"), PathBuf::from("/usr/lib/cni")]);
        assert!(environment.netns_override);
    }

    #[test]
    fn one_message_lists_all_that_is_missing() {
        for (command, list) in [
            ("ADD", "[CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME]"),
            ("CHECK", "[CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME]"),
            ("DEL", "[CNI_CONTAINERID,CNI_IFNAME]"),
            ("GC", "[CNI_PATH]"),
            ("", "[CNI_COMMAND]"),
        ] {
            let error = read(&[], &[("CNI_COMMAND", command), ("CNI_IFNAME", "")]).unwrap_err();
            assert_eq!(error.code, Code::InvalidEnvironment);
            assert_eq!(error.msg, format!("required env variables {list} missing"));
        }
    }

    #[test]
    fn optional_variables_may_be_missing() {
        let environment = read(&ADD, &[("CNI_COMMAND", "DEL"), ("CNI_NETNS", ""), ("CNI_PATH", "")]).unwrap();
        assert_eq!((environment.netns, environment.path.len()), (None, 0));
        for command in ["STATUS", "VERSION"] {
            read(&[], &[("CNI_COMMAND", command)]).unwrap();
        }
        let gc = read(&[], &[("CNI_COMMAND", "GC"), ("CNI_PATH", "/opt/cni/bin"), ("CNI_IFNAME", "no/name")]).unwrap();
        assert_eq!(gc.if_name, "");
    }

    #[test]
    fn one_message_lists_all_that_is_invalid() {
        let bad = [("CNI_CONTAINERID", "-c1"), ("CNI_IFNAME", "sixteen-bytes-16"), ("CNI_ARGS", "a")];
        for command in ["ADD", "CHECK", "DEL"] {
            let error = read(&ADD, &[&[("CNI_COMMAND", command)], &bad[..]].concat()).unwrap_err();
            assert_eq!(error.code, Code::InvalidEnvironment);
            for part in ["CNI_CONTAINERID is \"-c1\"", "CNI_IFNAME is \"sixteen-bytes-16\""] {
                assert!(error.msg.contains(part), "{}", error.msg);
            }
            assert_eq!(error.msg.contains("CNI_ARGS"), command != "DEL", "{}", error.msg);
        }
        for (reads_args, command) in [(true, "DEL"), (false, "ADD"), (false, "CHECK")] {
            let environment = read_by(reads_args, &ADD, &[("CNI_COMMAND", command), ("CNI_ARGS", "a")]).unwrap();
            assert!(environment.args_objection.is_some_and(|objection| objection.contains("CNI_ARGS")));
        }
    }

    #[test]
    fn what_is_to_be_printed_is_read_as_if_it_was_to_be_done() {
        let environment = read(&ADD, &[("CNI_COMMAND", "PRINT"), ("CNI_PRINT", "ADD")]).unwrap();
        assert_eq!((environment.command, environment.is_printed), (Command::Add, true));
        assert!(!read(&ADD, &[("CNI_PRINT", "DEL")]).unwrap().is_printed);
        let told = |changed: &[(&str, &str)]| read(&ADD, &[&[("CNI_COMMAND", "PRINT")], changed].concat()).unwrap_err();
        assert_eq!(told(&[]).msg, "required env variables [CNI_PRINT] missing");
        let error = told(&[("CNI_PRINT", "CHECK")]);
        assert_eq!(error.code, Code::InvalidEnvironment);
        assert_eq!(error.msg, "CNI_PRINT is \"CHECK\": it must be ADD, DEL or GC");
        assert!(told(&[("CNI_PRINT", "ADD"), ("CNI_NETNS", "")]).msg.contains("CNI_NETNS"));
    }

    #[test]
    fn an_unknown_command_is_named() {
        let error = read(&ADD, &[("CNI_COMMAND", "add")]).unwrap_err();
        assert_eq!(error.code, Code::InvalidEnvironment);
        assert!(error.msg.contains("CNI_COMMAND is \"add\"") && error.msg.contains("ADD, DEL, CHECK"), "{}", error.msg);
    }

    #[test]
    fn what_is_no_utf_8_is_invalid() {
        let error = Environment::read(true, |name| match name {
            "CNI_IFNAME" => Some(OsString::from_vec(vec![b'e', 0xff])),
            _ => ADD.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)),
        })
        .unwrap_err();
        assert_eq!(error.code, Code::InvalidEnvironment);
        assert!(error.msg.starts_with("CNI_IFNAME is \"e\u{fffd}\""), "{}", error.msg);
    }
}
