//! A plugin's process by hand, where a test needs more than a plain call: arguments, a broken stdin, a kill in the middle.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use harness::{Namespace, bin, bin_dir};
use serde_json::Value;

use crate::Plugin;

/// A plugin's process to be.
#[derive(Debug)]
pub struct Process(Command);

/// A system call that the kernel refuses to the process and to all that it starts.
#[derive(Debug)]
pub struct Refusal {
    /// Its number.
    pub call: libc::c_long,
    /// The arguments with which it is refused, each with its index.
    pub arguments: &'static [(u32, u32)],
    /// The reason.
    pub errno: libc::c_int,
}

impl Refusal {
    /// Talking to the packet filter, as a kernel without nfnetlink refuses it.
    pub const PACKET_FILTER: Self = Self {
        call: libc::SYS_socket,
        arguments: &[(0, libc::AF_NETLINK.cast_unsigned()), (2, libc::NETLINK_NETFILTER.cast_unsigned())],
        errno: libc::EPROTONOSUPPORT,
    };
    /// Entering a namespace, as it is refused to a user who has no rights in it.
    pub const NAMESPACE: Self = Self { call: libc::SYS_setns, arguments: &[], errno: libc::EPERM };

    /// What the process does before it is executed (`seccomp(2)`).
    fn filter(&self) -> impl FnMut() -> std::io::Result<()> + Send + Sync + 'static {
        // Of `struct seccomp_data`: the number of the call, and the lower half of each argument.
        let compared = [(0, u32::try_from(self.call).expect("a small number"))]
            .into_iter()
            .chain(self.arguments.iter().map(|(index, value)| (16 + 8 * index, *value)));
        let compared: Vec<(u32, u32)> = compared.collect();
        let step = |code: u32, otherwise: usize, value: u32| libc::sock_filter {
            code: u16::try_from(code).expect("a small number"),
            jt: 0,
            jf: u8::try_from(otherwise).expect("a short program"),
            k: value,
        };
        let mut program = Vec::new();
        for (index, (offset, value)) in compared.iter().enumerate() {
            let to_the_end = 2 * (compared.len() - index) - 1;
            program.push(step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, *offset));
            program.push(step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, to_the_end, *value));
        }
        program.push(step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | self.errno.cast_unsigned()));
        program.push(step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW));
        move || {
            let length = u16::try_from(program.len()).unwrap_or(0);
            let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
            // SAFETY: the kernel reads the program, which lives as long as the call.
            match unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) } {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        }
    }
}

impl Process {
    /// A call with a clean environment but for `CNI_COMMAND` and `CNI_PATH`.
    pub fn new(plugin: Plugin, command: &str) -> Self {
        let mut process = Command::new(bin(plugin.name()));
        process.env_clear().env("CNI_COMMAND", command).env("CNI_PATH", bin_dir());
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(process)
    }

    /// Sets the variables of an attachment.
    #[must_use]
    pub fn attachment(mut self, ns: &Namespace, ifname: &str) -> Self {
        self.0.env("CNI_CONTAINERID", &ns.name).env("CNI_NETNS", &ns.path).env("CNI_IFNAME", ifname);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Has the kernel refuse it a system call.
    #[must_use]
    pub fn refusing(mut self, refusal: &'static Refusal) -> Self {
        // SAFETY: between fork and exec, this makes one system call; its memory was allocated before.
        unsafe { self.0.pre_exec(refusal.filter()) };
        self
    }

    /// Appends an argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.0.arg(argument);
        self
    }

    /// Runs it with something other than a pipe on stdin.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run_with(mut self, stdin: impl Into<Stdio>) -> Output {
        self.0.stdin(stdin).output().expect("the plugin starts")
    }

    /// Runs it with its configuration and with something other than a pipe for its stdout. How it ended.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn output_to(mut self, stdout: impl Into<Stdio>, config: &Value) -> ExitStatus {
        self.0.stdout(stdout);
        self.start(config).wait().expect("a child can be reaped")
    }

    /// Runs it with a text on its stdin. Its output, and the most memory that it had, in bytes.
    ///
    /// # Panics
    /// If it cannot be started or reaped.
    #[expect(clippy::zombie_processes, reason = "it is waited for by its id")]
    pub fn run_measured(mut self, text: &[u8]) -> (Output, u64) {
        let mut child = self.0.stdin(Stdio::piped()).spawn().expect("the plugin starts");
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        std::thread::scope(|scope| {
            // A plugin may end before it has read everything.
            scope.spawn(move || _ = stdin.write_all(text));
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            child.stdout.take().expect("a pipe").read_to_end(&mut stdout).expect("it can be read");
            child.stderr.take().expect("a pipe").read_to_end(&mut stderr).expect("it can be read");
            let mut status = 0;
            // SAFETY: a structure of numbers, for which zeros are valid.
            let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
            // SAFETY: both are written to and live as long as the call. Nobody else waits for this child.
            let reaped = unsafe { libc::wait4(child.id().cast_signed(), &raw mut status, 0, &raw mut usage) };
            assert_eq!(reaped, child.id().cast_signed(), "it is reaped");
            let kib = u64::try_from(usage.ru_maxrss).expect("a size");
            (Output { status: ExitStatus::from_raw(status), stdout, stderr }, kib << 10)
        })
    }

    /// Starts it and hands it its configuration.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(mut self, config: &Value) -> Child {
        let mut child = self.0.stdin(Stdio::piped()).spawn().expect("the plugin starts");
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        // A plugin may fail before it has read everything.
        let _ = stdin.write_all(config.to_string().as_bytes());
        child
    }

    /// Starts it and kills it with SIGKILL after a time. Tells whether it was killed before its end.
    ///
    /// # Panics
    /// If it cannot be started, killed or reaped.
    pub fn kill_after(self, config: &Value, time: Duration) -> bool {
        let mut child = self.start(config);
        let start = std::time::Instant::now();
        while start.elapsed() < time {
            std::hint::spin_loop();
        }
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be reaped").code().is_none()
    }
}

/// The error object of a failed process: its code, message and details.
///
/// # Panics
/// Unless the process failed and printed exactly one error object.
pub fn error_object(output: &Output) -> (u64, String, String) {
    assert!(!output.status.success(), "it failed: {output:?}");
    let object: Value = serde_json::from_slice(&output.stdout).expect("stdout is one JSON value");
    let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
    (object["code"].as_u64().expect("code is a number"), text("msg"), text("details"))
}
