//! `plugboard attach`: all networks or none.

use std::path::Path;
use std::process::ExitCode;

use ::attachment::Identity;
use anyhow::{anyhow, bail};
use netlink::{Socket, link};
use shaping::networks::{self, NetworkSpec};

use crate::attachment::Attachment;
use crate::cache::Entry;
use crate::chain::Chain;
use crate::cli::Attach;
use crate::detach;
use crate::interrupt;
use crate::namespace::TargetNamespace;
use crate::plan::{self, Nic, Prepared};
use crate::problems;
use crate::runtime::Runtime;
use crate::target::Target;
use crate::view::{self, View};

pub(crate) fn run(args: &Attach, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let specs = networks::parse(&args.networks, &args.primary)?;
    let target = Target::new(&args.subject)?;
    let namespace = target.open()?;
    let _locks = runtime.lock_container(&target.container_id, Some(&namespace))?;
    let existing = namespace.interfaces()?;
    runtime.cache.remove_drafts()?;
    let remembered = runtime.cache.entries_of(&target.container_id)?;
    let place = Place { target: &target, path: &namespace.path, existing: &existing, remembered: &remembered };
    let nics = match plan(&specs, args, &place, runtime) {
        Ok(nics) => nics,
        Err(problems) => return Ok(problems::report(problems.iter().map(|problem| format!("{problem:#}")))),
    };
    let _attaching = runtime.cache.lock_to_attach(runtime.lock_limit)?;
    match set_up_all(&nics, &namespace, runtime) {
        Ok(entries) => {
            let views: Vec<_> = entries.iter().map(View::of).collect();
            let printed = if args.json { view::print_json(&views) } else { view::print_attached(&views) };
            let Err(error) = printed else { return Ok(ExitCode::SUCCESS) };
            // Who reads only the status would take it for not attached.
            interrupt::count_again()?;
            let problem = format!("cannot print what is attached: {error}; what was made is undone");
            let undoing = entries.iter().rev().flat_map(|entry| detach::take_down(entry, runtime));
            Ok(problems::report([problem].into_iter().chain(undoing)))
        }
        Err(problems) => Ok(problems::report(problems)),
    }
}

/// Where interfaces are to be made.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) target: &'a Target,
    /// The path of the namespace.
    pub(crate) path: &'a Path,
    /// The names of the interfaces that it has.
    pub(crate) existing: &'a [String],
    /// What is remembered of the container.
    pub(crate) remembered: &'a [Entry],
}

pub(crate) fn plan(
    specs: &[NetworkSpec],
    args: &Attach,
    place: &Place<'_>,
    runtime: &Runtime,
) -> Result<Vec<Nic>, Vec<anyhow::Error>> {
    let Place { target, path, existing, remembered } = place;
    let if_names = plan::if_names(args, specs.len(), path, existing).map_err(|problem| vec![problem])?;
    if let Some(entry) = remembered.iter().find(|entry| if_names.contains(&entry.attachment.if_name)) {
        return Err(vec![anyhow!(
            "container {} is remembered as attached to network '{}' by {}: detach it first",
            target.container_id,
            entry.network,
            entry.attachment.if_name
        )]);
    }
    let networks = plan::networks(specs, &runtime.conf_dir, &runtime.plugins)?;
    let names = networks.iter().map(|prepared| prepared.network.name.as_str());
    refuse_left(names.zip(&if_names), &target.container_id).map_err(|problem| vec![problem])?;
    let nics = networks.into_iter().zip(if_names).map(|(Prepared { network, capability_args }, if_name)| {
        let attachment = Attachment {
            container_id: target.container_id.clone(),
            if_name,
            netns: Some(path.to_path_buf()),
            args: Vec::new(),
            capability_args,
        };
        Nic { network, attachment }
    });
    Ok(nics.collect())
}

/// Refuses an attachment that the kernel has although it is not recorded: it may be in use, and the undoing of this one would remove it.
fn refuse_left<'a>(nics: impl Iterator<Item = (&'a str, &'a String)>, container_id: &str) -> anyhow::Result<()> {
    let mut socket = Socket::open()?;
    for (network, if_name) in nics {
        let device = Identity::new(network, container_id, if_name).host_name();
        if link::find(&mut socket, &device)?.is_some() {
            bail!(
                "container {container_id} has no record of {if_name} on network '{network}', but its device {device} is there: \
                 detach it first"
            );
        }
    }
    Ok(())
}

/// Sets up every interface in order. If one fails, those before it are taken down again.
fn set_up_all(nics: &[Nic], namespace: &TargetNamespace, runtime: &Runtime) -> Result<Vec<Entry>, Vec<String>> {
    let mut done: Vec<Entry> = Vec::new();
    let mut made = Ok(());
    for nic in nics {
        made = told(interrupt::refuse()).and_then(|()| set_up(nic, namespace, runtime)).map(|entry| done.push(entry));
        if made.is_err() {
            break;
        }
    }
    match made.and_then(|()| told(interrupt::accept())) {
        Ok(()) => Ok(done),
        Err(mut problems) => {
            problems.extend(done.iter().rev().flat_map(|entry| detach::take_down(entry, runtime)));
            if interrupt::received().is_some() && problems.len() == 1 {
                problems = problems.into_iter().map(|problem| format!("{problem}; what was made is undone")).collect();
            }
            Err(problems)
        }
    }
}

/// Sets up one interface. It is remembered before the first plugin is called, so that a detach finds it even if we are
/// killed in the middle. If a plugin fails, the whole chain is taken down again; what cannot be taken down stays remembered.
pub(crate) fn set_up(nic: &Nic, namespace: &TargetNamespace, runtime: &Runtime) -> Result<Entry, Vec<String>> {
    let mut entry = Entry {
        network: nic.network.name.clone(),
        attachment: nic.attachment.clone(),
        config: nic.network.to_bytes(),
        result: None,
        namespace_id: namespace.id(),
    };
    told(runtime.cache.store(&entry))?;
    let chain = Chain { network: &nic.network, plugins: &runtime.plugins };
    if let Err(failure) = chain.add(&nic.attachment, &mut entry.result) {
        return Err([failure.to_string()].into_iter().chain(detach::take_down(&entry, runtime)).collect());
    }
    match runtime.cache.store(&entry) {
        Ok(()) => Ok(entry),
        Err(error) => Err([format!("{error:#}")].into_iter().chain(detach::take_down(&entry, runtime)).collect()),
    }
}

fn told(result: anyhow::Result<()>) -> Result<(), Vec<String>> {
    result.map_err(|error| vec![format!("{error:#}")])
}
