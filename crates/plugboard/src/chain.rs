//! The verbs on a network's chain of plugins, as the specification has runtimes carry them out.

use std::fmt;
use std::path::PathBuf;

use cni::{Answer, Code, Command, Error, Success, Version};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::attachment::Attachment;
use crate::interrupt;
use crate::network::{Network, Plugin};
use crate::plugins::Plugins;
use crate::problems::Problem;

/// A network's plugins, ready to be called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chain<'a> {
    pub(crate) network: &'a Network,
    pub(crate) plugins: &'a Plugins,
}

/// A plugin of a network that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    network: String,
    plugin: String,
    verb: &'static str,
    error: Box<Error>,
    is_broken_off: bool,
}

/// A plugin's answer to PRINT. Everything but the commands is for the calls after it.
#[derive(Debug, Deserialize)]
pub(crate) struct Printed {
    /// Lines of a shell script.
    pub(crate) commands: Vec<String>,
    /// The result of ADD.
    pub(crate) result: Option<Value>,
    /// What attachments share and the commands make.
    #[serde(default)]
    pub(crate) made: Vec<String>,
    /// The links of the host that the commands remove.
    #[serde(default)]
    pub(crate) gone: Vec<String>,
}

/// An attachment that a network's plugins are to keep (GC-2).
pub(crate) type Valid = Vec<cni::AttachmentId>;

impl Chain<'_> {
    /// ADD of every plugin in order, each with the result of the one before (ADD-4). Afterwards `result` is that of the
    /// last one that succeeded.
    pub(crate) fn add(&self, attachment: &Attachment, result: &mut Option<Value>) -> Result<(), Failure> {
        for plugin in &self.network.plugins {
            interrupt::refuse()
                .map_err(|error| self.failure("ADD", plugin, Error::new(Code::Io, error.to_string())))?;
            let request = self.with_result(plugin, attachment, result.as_ref());
            let answer = self.answer("ADD", plugin, Some(attachment), request)?;
            *result = Some(self.result(&answer).map_err(|error| self.failure("ADD", plugin, error))?);
        }
        Ok(())
    }

    /// DEL of every plugin in reverse order, each with the result of ADD (DEL-5). If one fails, the others are still called.
    pub(crate) fn del(&self, attachment: &Attachment, result: Option<&Value>) -> Vec<Failure> {
        // Before 0.4.0, DEL had no result.
        let result = result.filter(|_| self.network.version() >= Version::V0_4_0);
        let plugins = self.network.plugins.iter().rev();
        plugins
            .filter_map(|plugin| {
                self.call("DEL", plugin, Some(attachment), self.with_result(plugin, attachment, result)).err()
            })
            .collect()
    }

    /// CHECK of every plugin in order, each with the result of ADD (CHK-2).
    pub(crate) fn check(&self, attachment: &Attachment, result: &Value) -> Vec<Failure> {
        let plugins = self.network.plugins.iter();
        plugins
            .filter_map(|plugin| {
                self.call("CHECK", plugin, Some(attachment), self.with_result(plugin, attachment, Some(result))).err()
            })
            .collect()
    }

    /// UPDATE of one plugin, with the result of ADD: an extension of ours.
    pub(crate) fn update(&self, plugin: &Plugin, attachment: &Attachment, result: &Value) -> Result<(), Failure> {
        self.call("UPDATE", plugin, Some(attachment), self.with_result(plugin, attachment, Some(result)))
    }

    /// GC of one plugin.
    pub(crate) fn gc(&self, plugin: &Plugin, request: Map<String, Value>) -> Result<(), Failure> {
        self.call("GC", plugin, None, request)
    }

    /// The request of a GC (GC-2: with the key of the specification and the one that it had before).
    pub(crate) fn with_valid(&self, plugin: &Plugin, valid: &Valid) -> Map<String, Value> {
        let mut request = plugin.request(self.network, &Map::new());
        request.insert("cni.dev/valid-attachments".to_owned(), json!(valid));
        request.insert("cni.dev/attachments".to_owned(), json!(valid));
        request
    }

    /// What a plugin says it would do: PRINT, an extension of ours. `None` from one that does not know PRINT, or says nothing.
    pub(crate) fn print(
        &self,
        verb: &'static str,
        plugin: &Plugin,
        attachment: Option<&Attachment>,
        request: Map<String, Value>,
    ) -> Result<Option<Printed>, Failure> {
        let answer = self
            .executable(plugin)
            .and_then(|executable| self.plugins.print(executable, verb, attachment, request))
            .and_then(|answer| answer.value());
        match answer {
            Ok(answer) => Ok(answer.and_then(|answer| serde_json::from_value(answer).ok())),
            Err(error) if error.code == Code::InvalidEnvironment && error.msg.contains(Command::PRINT) => Ok(None),
            Err(error) => Err(self.failure(verb, plugin, error)),
        }
    }

    /// STATUS of every plugin in order, until one is not ready.
    pub(crate) fn status(&self) -> Result<(), Failure> {
        self.network
            .plugins
            .iter()
            .try_for_each(|plugin| self.call("STATUS", plugin, None, plugin.request(self.network, &Map::new())))
    }

    /// The request of a call that concerns an attachment.
    pub(crate) fn with_result(
        &self,
        plugin: &Plugin,
        attachment: &Attachment,
        result: Option<&Value>,
    ) -> Map<String, Value> {
        let mut request = plugin.request(self.network, &attachment.capability_args);
        if let Some(result) = result {
            request.insert("prevResult".to_owned(), self.in_our_version(result));
        }
        request
    }

    /// The result of ADD as it is passed on and recorded. One that lacks its version gets the network's, as with libcni. Anything
    /// but a result is an error (DLG-4): plugins after it, and DEL, could not read it either.
    fn result(&self, answer: &Answer) -> Result<Value, Error> {
        let mut result = answer.value()?.unwrap_or_default();
        if let Some(object) = result.as_object_mut()
            && keys::find(object, "cniVersion").is_none()
        {
            object.insert("cniVersion".to_owned(), json!(self.network.version().as_str()));
        }
        let version = version_of(&result).unwrap_or_else(|| self.network.version());
        match Success::from_value(&result, version) {
            Ok(_) => Ok(result),
            Err(error) => Err(Error::new(Code::Decode, format!("it printed no result: {}", error.msg))),
        }
    }

    /// The result in the format of the network's version. Normally it is in that format already; another runtime may have left
    /// it in another. One that cannot be converted is passed as it is, for the plugin to judge.
    fn in_our_version(&self, result: &Value) -> Value {
        let ours = self.network.version();
        match version_of(result) {
            Some(theirs) if theirs != ours => Success::from_value(result, theirs)
                .and_then(|success| success.to_value(ours))
                .unwrap_or_else(|_| result.clone()),
            _ => result.clone(),
        }
    }

    /// A call of which only the success matters.
    fn call(
        &self,
        verb: &'static str,
        plugin: &Plugin,
        attachment: Option<&Attachment>,
        request: Map<String, Value>,
    ) -> Result<(), Failure> {
        let answer = self.answer(verb, plugin, attachment, request)?;
        let is_broken_off = answer.status.code().is_none();
        answer.success().map_err(|error| Failure { is_broken_off, ..self.failure(verb, plugin, error) })
    }

    fn answer(
        &self,
        verb: &'static str,
        plugin: &Plugin,
        attachment: Option<&Attachment>,
        request: Map<String, Value>,
    ) -> Result<Answer, Failure> {
        let executable = self.executable(plugin).map_err(|error| self.failure(verb, plugin, error))?;
        let answer = self.plugins.call(executable, verb, attachment, request);
        // It was killed at its limit, or because of a signal; or it was never started.
        answer.map_err(|error| Failure { is_broken_off: true, ..self.failure(verb, plugin, error) })
    }

    /// The executable of a plugin, if it and those that it may call are trusted.
    fn executable(&self, plugin: &Plugin) -> Result<PathBuf, Error> {
        let refused = plugin.delegates().into_iter().find_map(|kind| self.plugins.refusal_of(kind));
        let executable = refused.map_or_else(|| self.plugins.find(&plugin.kind), Err);
        executable.map_err(|problem| Error::new(Code::InvalidEnvironment, problem))
    }

    fn failure(&self, verb: &'static str, plugin: &Plugin, error: Error) -> Failure {
        Failure {
            network: self.network.name.clone(),
            plugin: plugin.kind.clone(),
            verb,
            error: Box::new(error),
            is_broken_off: false,
        }
    }
}

impl Failure {
    /// The plugin was killed, by us or somebody else: it has not undone anything, nor come to its end.
    pub(crate) fn is_broken_off(&self) -> bool {
        self.is_broken_off
    }

    /// The plugin does not know the verb (ENV-1).
    pub(crate) fn is_unknown_verb(&self) -> bool {
        self.error.code == Code::InvalidEnvironment && self.error.msg.contains(self.verb)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::of_plugin(&failure.plugin, &failure.error, &failure).on(&failure.network)
    }
}

fn version_of(result: &Value) -> Option<Version> {
    result
        .as_object()
        .and_then(|object| keys::find(object, "cniVersion"))
        .and_then(Value::as_str)
        .and_then(|text| text.parse().ok())
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, plugin, verb, error, .. } = self;
        let code = error.code.number();
        write!(f, "network '{network}', plugin '{plugin}', {verb}: {} (code {code})", error.msg)?;
        if error.details.is_empty() { Ok(()) } else { write!(f, ": {}", error.details) }
    }
}
