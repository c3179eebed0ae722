//! Servers and clients of UDP.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use harness::Namespace;

/// How long a socket waits for a datagram before it looks whether it is still wanted.
const MOMENT: Duration = Duration::from_millis(10);

/// What goes on beside the test until the value goes.
#[derive(Debug)]
pub struct Repeated {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Repeated {
    /// Repeats `step`, which takes no longer than a moment.
    pub fn start(mut step: impl FnMut() + Send + 'static) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stopped);
        let thread = std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                step();
            }
        });
        Self { stopped, thread: Some(thread) }
    }
}

impl Drop for Repeated {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            println!("what went on beside the test has failed");
        }
    }
}

/// A socket of the thread's namespace that waits only a moment for a datagram.
///
/// # Panics
/// If it cannot be had.
pub fn socket(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
    socket.set_read_timeout(Some(MOMENT)).expect("a socket has a time limit");
    socket
}

/// Starts a server of both families on a port of a namespace, which answers each datagram with the namespace's name.
pub fn server(ns: &Namespace, port: u16) -> Repeated {
    let socket = ns.within(|| socket(&format!("[::]:{port}")));
    let name = ns.name.clone();
    Repeated::start(move || {
        if let Ok((_, client)) = socket.recv_from(&mut [0; 16]) {
            // The way back may be gone meanwhile.
            let _ = socket.send_to(name.as_bytes(), client);
        }
    })
}

/// What a server answers to a client in the thread's namespace within half a second; `None` without an answer.
///
/// # Panics
/// If `server`, such as `192.0.2.1:53`, is no address.
pub fn answer(server: &str) -> Option<String> {
    let socket = socket(if server.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" });
    socket.connect(server).unwrap_or_else(|error| panic!("{server}: {error}"));
    (0..50).find_map(|_| ask(&socket))
}

/// Sends a datagram to the server that the socket is connected to: the answer, or `None` after a moment.
pub fn ask(socket: &UdpSocket) -> Option<String> {
    let mut answer = [0; 64];
    // A host on which nobody listens refuses.
    let received = socket.send(b"who?").and_then(|_| socket.recv(&mut answer));
    match received {
        Ok(length) => Some(String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned()),
        Err(_) => {
            std::thread::sleep(MOMENT);
            None
        }
    }
}
