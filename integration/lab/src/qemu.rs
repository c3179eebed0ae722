use crate::cache::remove;
use crate::cpio;
use crate::guest::{Clock, Effort, Ending, Guest};
use crate::kernel::Kernel;
use crate::memory_file::MemoryFile;
use crate::packages::find;
use crate::saved_files::Saved;
use crate::tree::Tree;
use anyhow::{Context, Result, ensure};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Nothing in the guest may depend on the machine's time: instructions count as 2 ns each, a sleeping guest jumps to its
/// next timer, and the clock of its mainboard follows.
const VIRTUAL: &str = "-accel tcg,thread=single,tb-size=1024 -icount shift=1,align=off,sleep=off -rtc clock=vm -smp 1";
const REAL: &str = "-accel tcg,thread=multi,tb-size=1024 -smp 2";

/// A plain machine without devices of its own; a kernel that panics ends it.
const MACHINE: &str = "-machine q35 -cpu Nehalem -nodefaults -display none -no-reboot";
/// With `norandmaps` a program is where it was before, so that QEMU need not translate it anew: starting one takes a seventh.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet panic=-1 tsc=reliable mitigations=off cryptomgr.notests norandmaps \
    no_timer_check";

/// How often the guest's output is copied.
const STEP: Duration = Duration::from_millis(10);
/// How many lines of its console tell of a guest that died.
const CONSOLE_LINES: usize = 80;

/// The hardware addresses of two NICs of the machine, `eth0` and `eth1` of its first namespace once `virtio_net` is loaded. A wire
/// leads from the one to the other.
pub const NICS: [&str; 2] = ["52:54:00:00:00:01", "52:54:00:00:00:02"];

/// The size of the disk that brings a run's own files. Only what is written takes memory.
const DISK_BYTES: u64 = 1 << 30;

/// Where the number of the run is on the disk; `guest-init.sh` reads it there.
const NUMBER_AT: u64 = DISK_BYTES - 4096;

/// What all runs boot: the kernel, and the archive of the root.
pub(crate) struct Boot {
    pub(crate) kernel: Kernel,
    pub(crate) root: PathBuf,
}

/// Where a guest's memory is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Memory<'a> {
    /// In QEMU's process.
    Own,
    /// In this file, which keeps it.
    Kept(&'a Path),
    /// It is what this file keeps, until the guest writes to it.
    Copied(&'a Path),
}

/// What the guest and QEMU write, and the guest's disk.
pub(crate) struct Ports {
    stdout: MemoryFile,
    stderr: MemoryFile,
    status: MemoryFile,
    console: MemoryFile,
    complaints: MemoryFile,
    disk: MemoryFile,
}

impl Ports {
    pub(crate) fn new() -> Result<Self> {
        let mut ports = Self::by(MemoryFile::new)?;
        ports.empty_disk()?;
        Ok(ports)
    }

    /// Those of a running QEMU.
    pub(crate) fn of_process(pid: u32) -> Result<Self> {
        Self::by(|name| MemoryFile::of_process(pid, name))
    }

    fn by(mut file: impl FnMut(&str) -> Result<MemoryFile>) -> Result<Self> {
        Ok(Self {
            stdout: file("stdout")?,
            stderr: file("stderr")?,
            status: file("status")?,
            console: file("console")?,
            complaints: file("errors of QEMU")?,
            disk: file("disk")?,
        })
    }

    /// What the guest has written to the port of the status.
    pub(crate) fn status_text(&mut self) -> Result<String> {
        self.status.text()
    }

    /// What QEMU has written for people.
    pub(crate) fn complaints_text(&mut self) -> Result<String> {
        self.complaints.text()
    }

    /// Where QEMU writes for people.
    pub(crate) fn complaints(&mut self) -> Result<File> {
        Ok(self.complaints.file().try_clone()?)
    }

    /// Puts a run's own files on the disk, and then the number of the run behind them, for which the guest waits.
    pub(crate) fn fill_disk(&mut self, own: &Tree, run: u32) -> Result<()> {
        let disk = self.disk.file();
        disk.rewind()?;
        cpio::write(own, &*disk)?;
        let length = disk.stream_position()?;
        ensure!(length <= NUMBER_AT, "{length} bytes of files do not fit the guest's disk");
        disk.write_all_at(format!("run {run}\n").as_bytes(), NUMBER_AT)?;
        Ok(())
    }

    /// Takes everything off the disk.
    pub(crate) fn empty_disk(&mut self) -> Result<()> {
        self.disk.file().set_len(0)?;
        Ok(self.disk.file().set_len(DISK_BYTES)?)
    }
}

/// Starts the guest where the saved machine is, or boots it, and copies the command's output until its end.
pub(crate) fn run(
    guest: &Guest,
    boot: &Boot,
    state: Option<&Path>,
    ports: &mut Ports,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Result<(Ending, Option<Effort>)> {
    let saved = state.map(Saved::new);
    let memory = saved.as_ref().map_or(Memory::Own, |saved| Memory::Copied(&saved.memory));
    let mut qemu = command(guest, boot, memory, ports)?;
    match &saved {
        Some(_) => qemu.args(["-monitor", "stdio", "-incoming", "defer"]).stdin(Stdio::piped()),
        None => qemu.args(["-monitor", "none"]),
    };
    if guest.clock == Clock::Virtual {
        stay_on_one_processor(&mut qemu);
    }
    let mut machine = Machine::start(qemu, Signal::SIGKILL).context("cannot start QEMU")?;
    if let (Some(saved), Some(monitor)) = (&saved, &mut machine.child.stdin) {
        // A QEMU that has ended by now tells why below.
        let _ = monitor.write_all(saved.load_commands().as_bytes());
    }
    let ended = copy_output(guest, ports, stdout, stderr, |_| Ok(machine.child.try_wait()?))?;
    // A machine that boots says first that it has.
    let told = ports.status_text()?;
    if let (Some(state), Some(ended)) = (state, ended)
        && told.is_empty()
        && !ended.success()
    {
        // QEMU could not go on from there: the next run boots.
        let _ = remove(state);
    }
    let effort = told.lines().find_map(Effort::parse);
    let ending = match status(&told) {
        Some(status) => Ending::Status(status),
        None => Ending::Died(obituary(guest, ended.map(|status| status.to_string()), ports)?),
    };
    Ok((ending, effort))
}

/// The last line of what the guest tells when its command has ended.
pub(crate) fn status(told: &str) -> Option<i32> {
    told.lines().last()?.parse().ok()
}

/// Copies what the command writes until `ended` says how the run has ended, or time is out.
pub(crate) fn copy_output<T>(
    guest: &Guest,
    ports: &mut Ports,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
    mut ended: impl FnMut(&mut Ports) -> Result<Option<T>>,
) -> Result<Option<T>> {
    let deadline = Instant::now() + guest.limit;
    let ended = loop {
        let ended = ended(ports)?;
        std::io::copy(ports.stdout.file(), stdout)?;
        std::io::copy(ports.stderr.file(), stderr)?;
        if ended.is_some() || Instant::now() > deadline {
            break ended;
        }
        std::thread::sleep(STEP);
    };
    stdout.flush()?;
    stderr.flush()?;
    Ok(ended)
}

/// QEMU for a guest that begins as a saved machine and serves several runs. It waits to be told by its monitor.
pub(crate) fn continued(guest: &Guest, boot: &Boot, state: &Path, ports: &mut Ports) -> Result<Command> {
    let saved = Saved::new(state);
    let mut qemu = command(guest, boot, Memory::Copied(&saved.memory), ports)?;
    qemu.args(["-monitor", "none", "-incoming", "defer"]);
    Ok(qemu)
}

/// The virtual clock's two threads take turns at each sleep of the guest: on one processor that takes two thirds of the time.
/// Which one is told by nextest, which numbers the tests that run at the same time.
pub(crate) fn stay_on_one_processor(qemu: &mut Command) {
    let slot = std::env::var("NEXTEST_TEST_GLOBAL_SLOT").ok().and_then(|slot| slot.parse::<usize>().ok());
    let allowed = sched_getaffinity(Pid::from_raw(0)).ok();
    let (Some(slot), Some(allowed)) = (slot, allowed) else { return };
    let processors: Vec<usize> = (0..CpuSet::count()).filter(|number| allowed.is_set(*number) == Ok(true)).collect();
    let mut one = CpuSet::new();
    let Some(processor) = processors.get(slot % processors.len().max(1)) else { return };
    if one.set(*processor).is_ok() {
        // SAFETY: between fork and exec only a system call is made, which is safe for signal handlers.
        unsafe { qemu.pre_exec(move || Ok(sched_setaffinity(Pid::from_raw(0), &one)?)) };
    }
}

/// A running machine, which ends with this value.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) child: Child,
    end: Signal,
}

impl Machine {
    /// Starts a machine's process, which the signal ends.
    pub(crate) fn start(mut command: Command, end: Signal) -> io::Result<Self> {
        // SAFETY: between fork and exec only a system call is made, which is safe for signal handlers.
        unsafe { command.pre_exec(move || Ok(set_pdeathsig(end)?)) };
        Ok(Self { child: command.spawn()?, end })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It has mostly ended by itself, and is still ours to wait for.
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), self.end);
        let _ = self.child.wait();
    }
}

/// QEMU for a guest, which boots unless it is told to wait for a saved machine.
pub(crate) fn command(guest: &Guest, boot: &Boot, memory: Memory<'_>, ports: &mut Ports) -> Result<Command> {
    let mut qemu = Command::new(find("qemu-system-x86_64").context("qemu-system-x86_64 is not installed")?);
    let clock = match guest.clock {
        Clock::Virtual => VIRTUAL,
        Clock::Real => REAL,
    };
    qemu.args(clock.split(' ')).args(MACHINE.split(' ')).args(["-m", &guest.memory_mib.to_string()]);
    // A saved machine has them in its memory.
    if !matches!(memory, Memory::Copied(_)) {
        qemu.arg("-kernel").arg(boot.kernel.image()).arg("-initrd").arg(&boot.root).args(["-append", KERNEL_ARGUMENTS]);
    }
    let file = match memory {
        Memory::Own => None,
        Memory::Kept(path) => Some(("on", path)),
        Memory::Copied(path) => Some(("off", path)),
    };
    if let Some((share, path)) = file {
        let size = guest.memory_mib;
        let file = format!("memory-backend-file,id=memory,size={size}M,share={share},mem-path={}", path.display());
        qemu.args(["-object", &file, "-machine", "memory-backend=memory"]);
    }
    let disk = format!("if=none,id=disk,format=raw,read-only=on,file.locking=off,file={}", ports.disk.path());
    qemu.args(["-drive", &disk, "-device", "virtio-blk-pci,drive=disk,ioeventfd=off"]);
    qemu.args([
        "-serial",
        &format!("file:{}", ports.console.path()),
        "-device",
        "virtio-serial-pci,max_ports=4,ioeventfd=off",
    ]);
    for (name, port) in [("stdout", &ports.stdout), ("stderr", &ports.stderr), ("status", &ports.status)] {
        qemu.args(["-chardev", &format!("file,id={name},path={}", port.path())]);
        qemu.args(["-device", &format!("virtserialport,chardev={name},name={name}")]);
    }
    for (place, mac) in NICS.iter().enumerate() {
        qemu.args(["-netdev", &format!("hubport,id=wire{place},hubid=0")]);
        qemu.args(["-device", &format!("virtio-net-pci,netdev=wire{place},mac={mac},romfile=,ioeventfd=off")]);
    }
    let complaints = ports.complaints.file().try_clone()?;
    qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(complaints);
    Ok(qemu)
}

/// Why a guest has no status.
pub(crate) fn obituary(guest: &Guest, ended: Option<String>, ports: &mut Ports) -> Result<String> {
    let cause = match ended {
        Some(how) => format!("the guest ended without a status for the command (QEMU: {how})"),
        None => format!("the guest was stopped: the command ran over its limit of {} s", guest.limit.as_secs()),
    };
    let complaints = ports.complaints.text()?;
    let complaints: Vec<_> = complaints.lines().filter(|line| !line.contains("warning:")).collect();
    Ok(format!("{cause}\n{}\nits console ends:\n{}", complaints.join("\n"), console_tail(&mut ports.console)?))
}

/// The last lines of a console.
pub(crate) fn console_tail(console: &mut MemoryFile) -> Result<String> {
    let console = console.text()?;
    let console: Vec<_> = console.lines().collect();
    Ok(console.get(console.len().saturating_sub(CONSOLE_LINES)..).unwrap_or_default().join("\n"))
}
