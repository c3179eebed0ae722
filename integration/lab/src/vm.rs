#![expect(clippy::panic, reason = "a test's helper reports by panicking")]

use crate::cache::{Cache, default_cache};
use crate::kernel::Kernel;
use crate::memory_file::MemoryFile;
use crate::nic::{Nic, program_in};
use crate::packages::{find, require};
use crate::qemu::{Machine, console_tail};
use crate::{IN_LAB, uml, vm_root};
use anyhow::{Context, Result, bail, ensure};
use harness::{Iperf, Namespace, Output, Ping};
use nix::sys::signal::Signal;
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// A small machine on this machine's clock. Two processors, because a NIC uses no more queues than there are.
const MACHINE: &str = "-accel tcg,thread=multi -smp 2 -m 256 -machine q35 -cpu Nehalem -nodefaults -display none \
    -monitor none -no-reboot";
/// Whether the timer works is not checked: on a busy machine it seems not to.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet panic=-1 tsc=reliable mitigations=off cryptomgr.notests norandmaps \
    no_timer_check";

/// How long a boot or a script may take. A boot takes 2 s of processor time.
const LIMIT: Duration = Duration::from_secs(120);

/// The longest script, in bytes: twice as many digits fit the terminal of User-mode Linux, which holds 4095.
const LONGEST_SCRIPT: usize = 2000;

/// A virtual machine on TAP devices: a kernel of its own, busybox, `ping` and `iperf3`. It ends with this value.
///
/// It is Debian's kernel in QEMU on this machine's clock. In the lab, whose machine is emulated itself, it is User-mode
/// Linux on the lab's exact clock, in tests that run by [`with_guests_on_virtual_clock`](crate::with_guests_on_virtual_clock).
///
/// Everything that goes wrong panics with the end of the machine's console.
#[derive(Debug)]
pub struct Vm {
    machine: RefCell<Connection>,
}

impl Vm {
    /// Boots in the thread's namespace, where the machine's process opens the TAP devices by their names.
    pub fn boot(nics: &[Nic]) -> Self {
        Self::start(None, nics)
    }

    /// The same with the process in a namespace: a container's that holds the TAP devices.
    pub fn boot_in(namespace: &Namespace, nics: &[Nic]) -> Self {
        Self::start(Some(namespace), nics)
    }

    fn start(namespace: Option<&Namespace>, nics: &[Nic]) -> Self {
        let machine = Connection::open(namespace, nics).unwrap_or_else(|error| panic!("no virtual machine: {error:#}"));
        let vm = Self { machine: RefCell::new(machine) };
        for (place, nic) in nics.iter().enumerate() {
            let address = nic.address.as_ref().map(|address| format!("ip address add {address} dev eth{place} && "));
            vm.sh(&format!("{}ip link set eth{place} up", address.unwrap_or_default())).ok();
        }
        vm
    }

    /// Runs `sh -c SCRIPT` in the guest.
    pub fn sh(&self, script: &str) -> Output {
        self.machine
            .borrow_mut()
            .run(script)
            .unwrap_or_else(|error| panic!("in the virtual machine: {script}: {error:#}"))
    }

    /// Pings `address` from the guest `count` times, 50 ms apart.
    pub fn ping(&self, address: &str, count: u32) -> Ping {
        self.ping_with(address, &format!("-c{count} -i.05 -W2"))
    }

    /// Pings `address` from the guest with the options of iputils' `ping`.
    pub fn ping_with(&self, address: &str, options: &str) -> Ping {
        Ping::read(&self.sh(&Ping::command(address, options)))
    }

    /// Runs `iperf3 -c ADDRESS ARGS` in the guest against a server for this one test in `server`.
    pub fn iperf3_from(&self, server: &Namespace, address: &str, args: &str) -> Iperf {
        Iperf::measure(server, address, args, |command| self.sh(command))
    }
}

/// A running machine, and the port by which its first process takes scripts.
#[derive(Debug)]
struct Connection {
    _machine: Machine,
    scripts: ChildStdin,
    answers: Receiver<String>,
    console: MemoryFile,
    complaints: MemoryFile,
}

impl Connection {
    fn open(namespace: Option<&Namespace>, nics: &[Nic]) -> Result<Self> {
        let (console, mut complaints) = (MemoryFile::new("console")?, MemoryFile::new("errors of the machine")?);
        let (mut command, end) = if std::env::var_os(IN_LAB).is_some() {
            (uml::command(namespace, nics)?, uml::END)
        } else {
            (qemu(namespace, nics, &console)?, Signal::SIGKILL)
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(complaints.file().try_clone()?);
        let mut machine = Machine::start(command, end).context("cannot start the virtual machine")?;
        let scripts = machine.child.stdin.take().context("the machine's input is not ours")?;
        let answers = lines(machine.child.stdout.take().context("the machine's output is not ours")?);
        let mut connection = Self { _machine: machine, scripts, answers, console, complaints };
        let first = connection.answer()?;
        ensure!(first == "ready", "the machine begins with: {first}");
        Ok(connection)
    }

    fn run(&mut self, script: &str) -> Result<Output> {
        ensure!(script.len() <= LONGEST_SCRIPT, "a script has at most {LONGEST_SCRIPT} bytes, not {}", script.len());
        // A machine that has ended is told by its silence.
        let _ = writeln!(self.scripts, "{}", to_hexadecimal(script.as_bytes())).and_then(|()| self.scripts.flush());
        let answer = self.answer()?;
        let (status, outputs) = answer.split_once(' ').context("the answer has no status")?;
        let (stdout, stderr) = outputs.split_once('.').context("the answer has one output")?;
        let text = |digits| from_hexadecimal(digits).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let (stdout, stderr) = (text(stdout)?, text(stderr)?);
        Ok(Output::elsewhere(status.parse()?, stdout, stderr, &format!("in the virtual machine: {script}")))
    }

    fn answer(&mut self) -> Result<String> {
        match self.answers.recv_timeout(LIMIT) {
            Ok(answer) => Ok(answer),
            Err(silence) => bail!("{}", self.obituary(silence)?),
        }
    }

    fn obituary(&mut self, silence: RecvTimeoutError) -> Result<String> {
        let what = match silence {
            RecvTimeoutError::Timeout => format!("no answer in {} s", LIMIT.as_secs()),
            RecvTimeoutError::Disconnected => "the machine has ended".to_owned(),
        };
        Ok(format!("{what}\n{}\nits console ends:\n{}", self.complaints.text()?, console_tail(&mut self.console)?))
    }
}

/// QEMU with Debian's kernel, which writes its console into `console`.
fn qemu(namespace: Option<&Namespace>, nics: &[Nic], console: &MemoryFile) -> Result<Command> {
    ensure!(std::env::consts::ARCH == "x86_64", "its kernel is that of x86_64");
    let cache = Cache::lock(&default_cache())?;
    require()?;
    let kernel = Kernel::prepare(&cache)?;
    let root = vm_root::archive(&cache, Some(&kernel))?;
    drop(cache);

    let program = find("qemu-system-x86_64").context("qemu-system-x86_64 is not installed")?;
    let mut qemu = program_in(namespace, &program);
    qemu.args(MACHINE.split_whitespace()).arg("-kernel").arg(kernel.image()).arg("-initrd").arg(root);
    qemu.args(["-append", KERNEL_ARGUMENTS, "-serial", &format!("file:{}", console.path())]);
    qemu.args(["-chardev", "stdio,id=control,signal=off", "-device", "virtio-serial-pci"]);
    qemu.args(["-device", "virtserialport,chardev=control"]);
    qemu.args(nics.iter().enumerate().flat_map(|(place, nic)| nic.arguments(place)));
    Ok(qemu)
}

/// What comes from the machine, line by line, so that one can wait for a time.
fn lines(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn to_hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hexadecimal(digits: &str) -> Result<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?));
    pairs.collect()
}
