//! `plugboard detach`: takes down whatever a container has, as far as possible: what is recorded of it, and what the kernel has of
//! it although the record is damaged or lost.

use std::process::ExitCode;

use serde::Serialize;

use crate::cache::Entry;
use crate::census::{self, Census, Usage};
use crate::chain::Chain;
use crate::cli::Detach;
use crate::document::{self, About};
use crate::holders::Holders;
use crate::interrupt;
use crate::namespace::TargetNamespace;
use crate::network::Network;
use crate::problems::{self, Problem};
use crate::remains::{self, Remains};
use crate::runtime::Runtime;
use attachment::{OwnedDevice, Session};

pub(crate) fn run(args: &Detach, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let target = remains::target(&args.subject, runtime)?;
    let namespace = target.open_if_there().ok().flatten();
    let _locks = runtime.lock_container(&target.container_id, namespace.as_ref())?;
    runtime.cache.remove_drafts()?;
    let _records = runtime.cache.lock_to_detach(runtime.lock_limit)?;
    let path = namespace.as_ref().map(|namespace| namespace.path.as_path());
    let remains = Remains::of(&target, path, runtime)?;
    let Remains { entries, unresolved, files, undecided } = remains.only(args, &target, &runtime.conf_dir)?;
    if entries.is_empty() && unresolved.is_empty() && undecided.is_empty() {
        tracing::info!("container {} is not attached to any network", target.container_id);
    }
    let (mut problems, mut detached) = (Vec::new(), Vec::new());
    for (done, entry) in entries.iter().rev().enumerate() {
        if let Err(error) = interrupt::refuse() {
            problems.push(Problem::new(format!(
                "{error}: {} of {} attachments are left; detach again",
                entries.len() - done,
                entries.len()
            )));
            break;
        }
        let found = undo(entry, runtime);
        // What was broken off by a signal is not given up: nobody knows how far it has come.
        let left: Vec<Problem> = match args.force && !found.is_empty() && interrupt::received().is_none() {
            true => give_up(entry, &found, runtime),
            false => found.into_iter().map(|problem| problem.advised(KEPT)).collect(),
        };
        detached.push(Detached::new(entry, left.is_empty()));
        problems.extend(left);
    }
    let gives_up = args.force && interrupt::received().is_none();
    let unresolved_problems = unresolved.iter().filter(|_| !gives_up);
    problems.extend(unresolved_problems.map(|problem| Problem::new(format!("{problem}, or use --force"))));
    problems.extend(undecided.into_iter().map(Problem::new));
    if gives_up {
        unresolved.iter().for_each(|problem| tracing::warn!("given up: {problem}"));
        if !unresolved.is_empty() {
            let left = remove_devices(|device| device.owner_in(&target.container_id).is_some());
            problems.extend(left.into_iter().map(Problem::from));
        }
        for file in &files {
            problems.extend(runtime.cache.remove_file(file).err().map(|error| Problem::new(format!("{error:#}"))));
        }
    }
    let printed = if args.json { document::print(About::Attachments, &detached, &problems) } else { Ok(()) };
    problems::report_printed(problems, printed)
}

/// What is printed of an attachment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Detached<'a> {
    /// `removed` or `kept`.
    action: &'static str,
    container_id: &'a str,
    if_name: &'a str,
    network: &'a str,
}

impl<'a> Detached<'a> {
    fn new(entry: &'a Entry, is_removed: bool) -> Self {
        Self {
            action: if is_removed { "removed" } else { "kept" },
            container_id: &entry.attachment.container_id,
            if_name: &entry.attachment.if_name,
            network: &entry.network,
        }
    }
}

/// What is said after a failure.
const KEPT: &str = "the record stays: correct this and detach again, or give it up with --force";

/// Takes one attachment down by the configuration that it was set up with, and removes its record. Returns what went wrong;
/// then the record stays, so that taking it down can be tried again.
pub(crate) fn take_down(entry: &Entry, runtime: &Runtime) -> Vec<String> {
    undo(entry, runtime).iter().map(ToString::to_string).collect()
}

/// The same, and what went wrong by its parts.
pub(crate) fn undo(entry: &Entry, runtime: &Runtime) -> Vec<Problem> {
    let problem = |words: String| Problem::new(words).of(&entry.network, &entry.attachment);
    let network = match configuration(entry, runtime) {
        Ok(network) => network,
        Err(error) => {
            return vec![problem(format!("network '{}': the remembered configuration: {error:#}", entry.network))];
        }
    };
    let chain = Chain { network: &network, plugins: &runtime.plugins };
    let attachment = entry.current();
    if attachment.netns.is_none()
        && let Some(left) = left_elsewhere(entry)
    {
        return vec![problem(left)];
    }
    let failures = chain.del(&attachment, entry.result.as_ref());
    if !failures.is_empty() {
        let told = failures.into_iter().map(Problem::from);
        return told.map(|problem| problem.of(&entry.network, &entry.attachment)).collect();
    }
    // The plugin does not find one whose name somebody has changed.
    let mut problems = remove_devices_of(entry);
    if problems.is_empty() {
        problems.extend(runtime.cache.remove(entry).err().map(|error| format!("{error:#}")));
    }
    problems.into_iter().map(problem).collect()
}

/// A plugin that is told of no namespace has nothing to do in it, and would give back the address of an interface that is there. A
/// namespace that is being taken apart takes its interface with it; one that lives on by somebody else does not.
fn left_elsewhere(entry: &Entry) -> Option<String> {
    let look = || {
        let usage = Census::take()?.usage_of_others(entry, &Holders::look());
        let is_sure = usage.as_ref().is_none_or(|usage| usage.is_sure);
        Ok((usage, is_sure))
    };
    let Usage { device, by, .. } = census::settled(look).ok()??;
    let (if_name, network) = (&entry.attachment.if_name, &entry.network);
    Some(format!(
        "{if_name} on network '{network}' is still there: {device}: {by}; remove it with `ip link delete {device}`"
    ))
}

fn remove_devices_of(entry: &Entry) -> Vec<String> {
    let owner = entry.identity();
    remove_devices(|device| device.owner_in(owner.container_id()).as_ref() == Some(&owner))
}

/// The configuration that an attachment was set up with; where that is damaged, what the network has now.
pub(crate) fn configuration(entry: &Entry, runtime: &Runtime) -> anyhow::Result<Network> {
    Network::from_cache(&entry.config).or_else(|error| {
        let configured = runtime.conf_dir.networks().and_then(|all| runtime.conf_dir.find(&all, &entry.network));
        configured.map_err(|other| error.context(format!("{other:#}")))
    })
}

/// Removes devices on the host that are left of attachments which nobody can take down: they have their alias.
fn remove_devices(is_left: impl Fn(&OwnedDevice) -> bool) -> Vec<String> {
    let left = match Census::take() {
        Ok(census) => census.devices,
        Err(error) => return vec![format!("{error:#}")],
    };
    let mut problems = Vec::new();
    for device in left.iter().filter(|device| is_left(device)) {
        match attachment::remove_device(&mut Session::new(None), device) {
            Ok(()) => tracing::warn!("removed {}, which was left on network '{}'", device.name, device.owner.network()),
            Err(error) => problems.push(error.to_string()),
        }
    }
    problems
}

/// The interface, if it is still there: its record is not given up then.
fn left_of(entry: &Entry) -> Option<String> {
    let if_name = &entry.attachment.if_name;
    if let Some(device) =
        Census::take().ok().and_then(|census| census.link_of_others(entry).map(|link| link.name.clone()))
    {
        return Some(format!(
            "{if_name} is still there, by {device}: remove it with `ip link delete {device}` and detach again"
        ));
    }
    let path = entry.current().netns?;
    let interfaces = TargetNamespace::open(&path).ok()?.interfaces().ok()?;
    interfaces.contains(if_name).then(|| {
        let path = path.display();
        format!("{if_name} is still in {path}: remove it with `nsenter --net={path} ip link delete {if_name}` and detach again")
    })
}

/// Gives up what the plugins could not take down, and removes the record. Devices of the attachment on the host that are left are
/// removed here: they have its alias.
pub(crate) fn give_up(entry: &Entry, found: &[Problem], runtime: &Runtime) -> Vec<Problem> {
    found.iter().for_each(|problem| tracing::warn!("given up: {problem}"));
    let mut problems = remove_devices_of(entry);
    problems.extend(left_of(entry));
    if problems.is_empty() {
        problems.extend(runtime.cache.remove(entry).err().map(|error| format!("{error:#}")));
    }
    problems.into_iter().map(|words| Problem::new(words).of(&entry.network, &entry.attachment)).collect()
}
