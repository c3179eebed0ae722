//! One call of one plugin.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use cni::{Answer, Code, Command as Verb, Error, Exchange, GiveUp, Group, Unanswered};
use serde_json::{Map, Value};

use crate::attachment::Attachment;
use crate::descendants;
use crate::interrupt::{self, Patience, Watch};

/// The variables that a call may have. None of them is inherited.
const VARIABLES: [&str; 8] = [
    "CNI_COMMAND",
    "CNI_PRINT",
    "CNI_CONTAINERID",
    "CNI_NETNS",
    "CNI_IFNAME",
    "CNI_ARGS",
    "CNI_PATH",
    "CNI_DELEGATED_BY",
];

/// A call that is ready to be made.
#[derive(Debug)]
pub(crate) struct Invocation<'a> {
    /// `CNI_COMMAND`, or what it is to print.
    pub(crate) verb: &'static str,
    /// Only print what the verb would do: an extension of ours.
    pub(crate) is_printed: bool,
    pub(crate) executable: PathBuf,
    /// `CNI_PATH`.
    pub(crate) path: OsString,
    /// After this time the plugin is killed.
    pub(crate) limit: Duration,
    /// `None` for GC, STATUS and VERSION.
    pub(crate) attachment: Option<&'a Attachment>,
    /// Stdin.
    pub(crate) request: Map<String, Value>,
}

impl Invocation<'_> {
    /// Makes the call and waits for its end. What it prints on stderr goes to ours.
    ///
    /// The plugin has a process group of its own where signals are counted (see [`interrupt`]): a terminal's Ctrl-C does not reach it,
    /// and it is waited for or killed as that says. If we alone are killed, the plugin runs to its end: half an ADD is worse than
    /// a complete one that nobody waits for, and a DEL waits for it.
    ///
    /// # Errors
    /// Code 5 if it cannot be run, or was killed because of a signal; code 6 if it prints without end; code 11 if it was still running
    /// at its limit. Then it was killed with what it had started.
    pub(crate) fn run(&self) -> Result<Answer, Error> {
        let begin = Instant::now();
        let executable = self.executable.display();
        let request = Value::Object(self.request.clone()).to_string();
        tracing::debug!("{} {executable} <<< {request}", self.verb);
        let patience = if self.is_changing() { Patience::Finishing } else { Patience::Looking };
        if patience == Patience::Looking {
            interrupt::refuse().map_err(|error| Error::new(Code::Io, error.to_string()))?;
        }
        let watch = Watch::begin(patience, executable.to_string());
        let give_up = watch.as_ref().map(|watch| watch as &dyn GiveUp);
        let group = Group::Callers(descendants::kill_all);
        let answer = Exchange::start(self.command(), request.as_bytes(), self.limit, group)
            .and_then(|exchange| exchange.wait_unless(give_up))
            .map_err(|unanswered| self.failed(&unanswered))?;
        tracing::info!("{} {executable} took {:.1?}: {}", self.verb, begin.elapsed(), answer.status);
        tracing::debug!("{executable} printed {}", String::from_utf8_lossy(&answer.output));
        Ok(answer)
    }

    /// It makes or removes something.
    fn is_changing(&self) -> bool {
        !self.is_printed && ["ADD", "DEL", "UPDATE", "GC"].contains(&self.verb)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        if interrupt::is_installed() {
            command.process_group(0);
        }
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        match self.is_printed {
            true => command.env("CNI_COMMAND", Verb::PRINT).env("CNI_PRINT", self.verb),
            false => command.env("CNI_COMMAND", self.verb),
        };
        command.env("CNI_PATH", &self.path);
        if let Some(attachment) = self.attachment {
            let netns = attachment.netns.as_ref().map_or_else(OsString::new, |path| path.clone().into());
            let args: Vec<_> = attachment.args.iter().map(|(key, value)| format!("{key}={value}")).collect();
            command.env("CNI_CONTAINERID", &attachment.container_id).env("CNI_IFNAME", &attachment.if_name);
            command.env("CNI_NETNS", netns).env("CNI_ARGS", args.join(";"));
        }
        command
    }

    fn failed(&self, unanswered: &Unanswered) -> Error {
        let executable = self.executable.display();
        let msg = match unanswered {
            Unanswered::NotStarted(error) => format!("{executable} could not be run: {error}"),
            Unanswered::Late(limit) => format!(
                "{executable} was still running after {} s and was killed, with what it had started; see what it waits \
                 for, or give it longer with --plugin-timeout",
                limit.as_secs()
            ),
            Unanswered::Endless | Unanswered::Broken { .. } => format!("{executable}: {unanswered}"),
        };
        Error::new(unanswered.code(), msg)
    }
}
