//! `plugboard check`: is everything still as it was set up?

use std::io;
use std::process::ExitCode;

use anyhow::bail;
use cni::Version;
use serde::Serialize;

use crate::attachment::Attachment;
use crate::cache::Entry;
use crate::chain::Chain;
use crate::cli::Subject;
use crate::document::{self, About};
use crate::network::Network;
use crate::problems::Problem;
use crate::runtime::Runtime;
use crate::table;
use crate::target::{Known, Target};

/// The outcome for one attachment.
enum Verdict {
    Same,
    Unchecked(String),
    Different(Vec<Problem>),
}

impl Verdict {
    fn different(words: String) -> Self {
        Self::Different(vec![Problem::new(words)])
    }

    /// The word for it, and the reason.
    fn tell(&self) -> (&'static str, String) {
        match self {
            Self::Same => ("ok", String::new()),
            Self::Unchecked(why) => ("notChecked", why.clone()),
            Self::Different(problems) => {
                ("differs", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
            }
        }
    }
}

/// What is printed of an attachment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked<'a> {
    container_id: &'a str,
    if_name: &'a str,
    network: &'a str,
    /// `ok`, `differs` or `notChecked`.
    state: &'static str,
    /// Why it is not `ok`.
    reason: String,
}

pub(crate) fn run(subject: &Subject, is_json: bool, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let target = Target::attached(subject, &Known::of(&runtime.cache.survey()?.entries))?;
    let mut entries = runtime.cache.entries_of(&target.container_id)?;
    if entries.is_empty() {
        bail!("container {} is not attached to any network", target.container_id);
    }
    let id = &target.container_id;
    let _machine = target.machine().map(|path| runtime.enter_machine(id, path)).transpose()?;
    // One that is gone is a difference.
    let namespace = target.open_if_there()?;
    // Who may not take a lock may look all the same.
    let _locks = match namespace.as_ref().map(|one| runtime.lock_container(id, Some(one))).transpose() {
        Err(error) if is_denied(&error) => None,
        locks => locks?,
    };
    if let Some(namespace) = &namespace {
        entries = entries.into_iter().map(|entry| entry.in_namespace(&namespace.path)).collect();
    }
    let verdicts: Vec<_> = entries.iter().map(|entry| check(entry, runtime)).collect();
    if is_json {
        print_json(&entries, &verdicts)?;
    } else {
        print_lines(&entries, &verdicts)?;
    }
    let same = !verdicts.iter().any(|verdict| matches!(verdict, Verdict::Different(_)));
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_lines(entries: &[Entry], verdicts: &[Verdict]) -> io::Result<()> {
    table::print_lines(entries.iter().zip(verdicts).map(|(entry, verdict)| {
        let said = match verdict.tell() {
            ("ok", _) => "ok".to_owned(),
            ("notChecked", why) => format!("not checked: {why}"),
            (word, why) => format!("{word}: {why}"),
        };
        [entry.attachment.if_name.clone(), entry.network.clone(), said]
    }))
}

fn print_json(entries: &[Entry], verdicts: &[Verdict]) -> io::Result<()> {
    let mut problems = Vec::new();
    let mut checked = Vec::new();
    for (entry, verdict) in entries.iter().zip(verdicts) {
        let (state, reason) = verdict.tell();
        let Attachment { container_id, if_name, .. } = &entry.attachment;
        checked.push(Checked { container_id, if_name, network: &entry.network, state, reason });
        if let Verdict::Different(found) = verdict {
            problems.extend(found.iter().cloned().map(|problem| problem.of(&entry.network, &entry.attachment)));
        }
    }
    document::print(About::Attachments, &checked, &problems)
}

fn is_denied(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

fn check(entry: &Entry, runtime: &Runtime) -> Verdict {
    let network = match Network::from_cache(&entry.config) {
        Ok(network) => network,
        Err(error) => return Verdict::different(format!("the remembered configuration: {error:#}")),
    };
    if network.disable_check {
        return Verdict::Unchecked("the network has disableCheck".to_owned());
    }
    if network.version() < Version::V0_4_0 {
        return Verdict::Unchecked(format!("CNI {} has no CHECK", network.version()));
    }
    let Some(result) = &entry.result else {
        return Verdict::different("it was never set up completely: detach it".to_owned());
    };
    if entry.is_stale() {
        return Verdict::different(format!("{} is gone: detach it", entry.place()));
    }
    let chain = Chain { network: &network, plugins: &runtime.plugins };
    match chain.check(&entry.attachment, result) {
        failures if failures.is_empty() => Verdict::Same,
        failures => Verdict::Different(failures.into_iter().map(Problem::from).collect()),
    }
}
