use crate::{Background, Namespace, Output, sh, wait_until};
use serde_json::Value;
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// Where Debian has the daemons.
const DAEMONS: &str = "/usr/lib/frr";

/// FRR on a host that is a namespace: `zebra`, which reads and writes the kernel's tables, and `bgpd`.
#[derive(Debug)]
pub struct Frr {
    host: Namespace,
    directory: PathBuf,
    zebra: RefCell<Option<Background>>,
    bgpd: RefCell<Option<Background>>,
}

impl Frr {
    /// Starts both and gives them the lines of a `frr.conf`, of which each takes its own.
    pub fn start(host: &Namespace, configuration: &str) -> Self {
        let directory = Path::new("/run").join(format!("frr-{}", host.name));
        let frr = Self { host: host.clone(), directory, zebra: RefCell::default(), bgpd: RefCell::default() };
        let place = frr.directory.display();
        sh(&format!("mkdir -p {place} && : > {place}/zebra.conf && : > {place}/bgpd.conf && : > {place}/vtysh.conf"))
            .ok();
        std::fs::write(frr.directory.join("frr.conf"), format!("{configuration}\n")).expect("a configuration");
        sh(&format!("chown -R frr:frr {place}")).ok();
        frr.zebra.replace(Some(frr.daemon("zebra", "")));
        wait_until("zebra listens", || frr.directory.join("zserv.api").exists());
        frr.start_bgpd();
        frr
    }

    fn daemon(&self, name: &str, options: &str) -> Background {
        let place = self.directory.display();
        self.host.spawn(&format!(
            "exec {DAEMONS}/{name} -N {} -f {place}/{name}.conf -i {place}/{name}.pid -z {place}/zserv.api \
               --vty_socket {place} -P 0 --log file:{place}/{name}.log {options}",
            self.host.name
        ))
    }

    /// Starts `bgpd` again, as FRR's own service does: the daemons get their lines when they answer.
    pub fn start_bgpd(&self) {
        self.bgpd.replace(Some(self.daemon("bgpd", "-p 179")));
        wait_until("bgpd answers", || {
            let status = self.bgpd.borrow_mut().as_mut().and_then(|bgpd| bgpd.child().try_wait().ok().flatten());
            assert!(status.is_none(), "bgpd of {} has ended: {}", self.host.name, self.log());
            self.vtysh("show version").status == 0
        });
        let place = self.directory.display();
        sh(&format!("vtysh --config_dir {place} --vty_socket {place} -b")).ok();
    }

    /// Ends `bgpd` as an operator does, and returns when it is gone.
    pub fn stop_bgpd(&self) {
        if let Some(mut bgpd) = self.bgpd.take() {
            sh(&format!("kill {}", bgpd.child().id())).ok();
            bgpd.child().wait().expect("it ends");
        }
    }

    /// `vtysh -c COMMAND`.
    pub fn vtysh(&self, command: &str) -> Output {
        sh(&format!("vtysh --vty_socket {} -d bgpd -c '{command}'", self.directory.display()))
    }

    /// How many neighbors of BGP tell and are told of what there is.
    pub fn established(&self) -> usize {
        let said = self.vtysh("show bgp l2vpn evpn summary json");
        let summary: Value = serde_json::from_str(&said.stdout).unwrap_or_default();
        let peers = summary["peers"].as_object().into_iter().flatten();
        peers.filter(|(_, peer)| peer["state"] == "Established").count()
    }

    /// What `bgpd` has written into its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("bgpd.log")).unwrap_or_default()
    }
}
