//! `plugboard check`: is everything still as it was set up?

use std::io;
use std::process::ExitCode;

use anyhow::bail;
use cni::Version;

use crate::cache::Entry;
use crate::chain::Chain;
use crate::cli::Subject;
use crate::network::Network;
use crate::runtime::Runtime;
use crate::table;
use crate::target::{Known, Target};

/// The outcome for one attachment.
enum Verdict {
    Same,
    Unchecked(String),
    Different(Vec<String>),
}

pub(crate) fn run(subject: &Subject, runtime: &Runtime) -> anyhow::Result<ExitCode> {
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
    let rows = entries.iter().zip(&verdicts).map(|(entry, verdict)| {
        let said = match verdict {
            Verdict::Same => "ok".to_owned(),
            Verdict::Unchecked(why) => format!("not checked: {why}"),
            Verdict::Different(problems) => format!("differs: {}", problems.join("; ")),
        };
        [entry.attachment.if_name.clone(), entry.network.clone(), said]
    });
    table::print_lines(rows)?;
    let same = !verdicts.iter().any(|verdict| matches!(verdict, Verdict::Different(_)));
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_denied(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

fn check(entry: &Entry, runtime: &Runtime) -> Verdict {
    let network = match Network::from_cache(&entry.config) {
        Ok(network) => network,
        Err(error) => return Verdict::Different(vec![format!("the remembered configuration: {error:#}")]),
    };
    if network.disable_check {
        return Verdict::Unchecked("the network has disableCheck".to_owned());
    }
    if network.version() < Version::V0_4_0 {
        return Verdict::Unchecked(format!("CNI {} has no CHECK", network.version()));
    }
    let Some(result) = &entry.result else {
        return Verdict::Different(vec!["it was never set up completely: detach it".to_owned()]);
    };
    if entry.is_stale() {
        return Verdict::Different(vec![format!("{} is gone: detach it", entry.place())]);
    }
    let chain = Chain { network: &network, plugins: &runtime.plugins };
    match chain.check(&entry.attachment, result) {
        failures if failures.is_empty() => Verdict::Same,
        failures => Verdict::Different(failures.iter().map(ToString::to_string).collect()),
    }
}
