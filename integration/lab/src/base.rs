use crate::cache::{Cache, remove};
use crate::cpio;
use crate::kernel::Kernel;
use crate::packages::{PROGRAMS, find, output};
use crate::tree::Tree;
use anyhow::{Context, Result};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The guest's first process.
const INIT: &str = include_str!("guest-init.sh");

/// Programs that every Debian system has; the rest of what a script may want comes from busybox.
const ESSENTIAL: &str = "bash sh cat ls cp mv rm mkdir rmdir mktemp ln touch chmod chown sleep seq tail head cut tr sort \
    uniq wc date uname id env timeout tee expr nproc kill dd stat readlink realpath dirname basename printf test true \
    false sed grep egrep fgrep xargs od md5sum sha256sum base64 cmp diff mkfifo sync stdbuf";

/// Programs that are for the machine only.
const NOT_IN_GUEST: [&str; 2] = ["qemu-system-x86_64", "ldd"];

/// Kernel modules; those that they need come along.
const MODULES: &str = "virtio_pci virtio_console virtio_blk virtio_net overlay \
    veth bridge br_netfilter 8021q dummy macvlan macvtap ipvlan ipvtap vxlan geneve vrf ifb tun tap bonding nlmon \
    ipip ip_gre ip6_tunnel sit wireguard macsec ipv6 \
    sch_netem sch_tbf sch_htb sch_prio sch_fq sch_fq_codel sch_sfq sch_red sch_codel sch_hfsc sch_cake sch_ingress \
    cls_matchall cls_u32 cls_flower cls_bpf cls_basic cls_fw \
    act_mirred act_police act_gact act_skbedit act_vlan act_pedit act_csum act_tunnel_key act_ct \
    nf_tables nft_masq nft_ct nft_nat nft_chain_nat nft_compat nft_limit nft_log nft_reject_inet nft_reject_bridge \
    nft_fib_inet nft_redir nft_hash nft_numgen nft_meta_bridge nf_conntrack_bridge nf_conntrack_netlink nfnetlink_log \
    xt_MASQUERADE xt_conntrack xt_addrtype xt_comment xt_mark xt_nat xt_tcpudp xt_physdev xt_limit xt_multiport \
    openvswitch vport-vxlan vport-geneve vport-gre \
    sctp xfrm_user xfrm_interface esp4 esp6 xfrm4_tunnel authenc gcm ccm cbc ctr hmac ghash_generic aesni_intel sha256_generic seqiv \
    echainiv drbg jitterentropy_rng sha512_generic cryptd af_key";

/// Modules come without devices that nobody asked for.
const MODULE_OPTIONS: &str = "options dummy numdummies=0\noptions ifb numifbs=0\noptions bonding max_bonds=0\n";

/// Files beside the programs, where the machine has them.
const FILES: [&str; 14] = [
    // Opened by name at run time: iptables' matches, name lookup, thread cancellation.
    "/usr/lib/x86_64-linux-gnu/xtables",
    "/usr/lib/x86_64-linux-gnu/libnss_files.so.2",
    "/usr/lib/x86_64-linux-gnu/libgcc_s.so.1",
    LIBC,
    // netem's distributions
    "/usr/lib/tc",
    "/usr/lib/x86_64-linux-gnu/tc",
    "/usr/share/openvswitch/vswitch.ovsschema",
    "/usr/share/iproute2",
    "/etc/iproute2",
    "/etc/protocols",
    "/etc/services",
    "/etc/ethertypes",
    // tcpdump and others change to users of their own
    "/etc/passwd",
    "/etc/group",
];

/// How long an entry of the cache that nobody uses any more is kept.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// With a new one of these, executables of this machine no longer run in an old root.
const LIBC: &str = "/usr/lib/x86_64-linux-gnu/libc.so.6";

/// The archive of the root that all runs share, made first if the tools or the kernel changed.
pub(crate) fn archive(cache: &Cache, kernel: &Kernel) -> Result<PathBuf> {
    let programs = programs()?;
    let name = format!("base-{:016x}.cpio", key(kernel, &programs));
    cache.entry(&name, |path| {
        eprintln!("lab: making a root of this machine's tools for {}", kernel.version);
        remove_others(cache.directory(), "base-")?;
        let tree = root(kernel, &programs)?;
        cpio::write(&tree, File::create(path)?)
    })
}

fn programs() -> Result<Vec<PathBuf>> {
    let listed = PROGRAMS.iter().map(|(name, _)| *name).filter(|name| !NOT_IN_GUEST.contains(name));
    let names = listed.chain(ESSENTIAL.split_whitespace());
    names.map(|name| find(name).with_context(|| format!("this machine has no `{name}`"))).collect()
}

/// Changes whenever the root would: with the lists, the kernel, or the version of a program.
fn key(kernel: &Kernel, programs: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (INIT, MODULES, MODULE_OPTIONS, FILES, &kernel.version).hash(&mut hasher);
    for path in programs.iter().map(PathBuf::as_path).chain([Path::new(LIBC)]) {
        let version = path.metadata().map(|file| (file.size(), file.mtime())).ok();
        (path, version).hash(&mut hasher);
    }
    hasher.finish()
}

/// Removes earlier entries of the cache that begin with `prefix`. Those that were used of late stay: another working copy may be
/// about to boot them.
pub(crate) fn remove_others(cache: &Path, prefix: &str) -> Result<()> {
    for entry in cache.read_dir()? {
        let entry = entry?;
        let used = entry.metadata().and_then(|about| about.modified());
        let is_old = used.is_ok_and(|used| used.elapsed().is_ok_and(|age| age > KEPT));
        if is_old && entry.file_name().to_string_lossy().starts_with(prefix) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn root(kernel: &Kernel, programs: &[PathBuf]) -> Result<Tree> {
    let mut tree = Tree::default();
    for directory in
        ["dev", "proc", "sys", "run/netns", "tmp", "root", "etc/cni", "var/lib/cni", "var/log", "opt/cni/bin"]
    {
        tree.directory(Path::new("/").join(directory));
    }
    tree.link("/var/run", "/run");
    for program in programs {
        tree.same(program)?;
    }
    for file in FILES.map(Path::new).iter().filter(|file| file.exists()) {
        tree.same(file)?;
    }
    tree.add_libraries()?;
    add_busybox(&mut tree)?;
    add_modules(&mut tree, kernel)?;
    tree.text("/etc/nsswitch.conf", "hosts: files\n", 0o644);
    tree.text("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", 0o644);
    tree.text("/etc/modprobe.d/lab.conf", MODULE_OPTIONS, 0o644);
    tree.text("/init", INIT, 0o755);
    for directory in ["bin", "sbin", "lib", "lib64"] {
        tree.merge(directory);
    }
    Ok(tree)
}

/// A link for each of busybox's commands that no program of the machine stands for.
pub(crate) fn add_busybox(tree: &mut Tree) -> Result<()> {
    let commands = output(Command::new("busybox").arg("--list"))?;
    for command in commands.split_whitespace() {
        if !["/usr/bin", "/usr/sbin"].iter().any(|directory| tree.contains(Path::new(directory).join(command))) {
            tree.link(Path::new("/usr/bin").join(command), "/usr/bin/busybox");
        }
    }
    Ok(())
}

fn add_modules(tree: &mut Tree, kernel: &Kernel) -> Result<()> {
    let modules = kernel.modules();
    let place = Path::new("/usr/lib/modules").join(&kernel.version);
    for module in MODULES.split_whitespace() {
        match kernel.module_files(module) {
            Ok(files) => {
                for file in files {
                    let name =
                        file.strip_prefix(&modules).with_context(|| format!("{} is elsewhere", file.display()))?;
                    tree.copy(&place.join(name), &file)?;
                }
            }
            Err(error) => eprintln!("lab: the kernel has no module {module}: {error:#}"),
        }
    }
    // depmod has described all modules; those left out are simply not found.
    for description in modules.read_dir()? {
        let path = description?.path();
        if path.is_file() {
            tree.copy(&place.join(path.file_name().unwrap_or_default()), &path)?;
        }
    }
    Ok(())
}
