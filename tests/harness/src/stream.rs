use crate::Namespace;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// How long a connection, or another byte, may take: longer than anything that does come, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(20);

impl Namespace {
    /// Sends so many bytes over a TCP connection from here to an address of `to`, and reads them there to the end: how many arrived as
    /// they were sent. What iperf3 reports leaves out what is under way at its end, which on a busy machine may be more than half.
    ///
    /// Panics where no connection comes about.
    pub fn streams_to(&self, to: &Self, address: &str, bytes: usize) -> usize {
        let address: IpAddr = address.parse().unwrap_or_else(|error| panic!("{address}: {error}"));
        let failed = |what: &str, error: io::Error| -> ! { panic!("{what} {address} in {}: {error}", to.name) };
        let listener = to.within(|| TcpListener::bind((address, 0))).unwrap_or_else(|error| failed("listen on", error));
        let port = listener.local_addr().unwrap_or_else(|error| failed("listen on", error)).port();
        let connect = || TcpStream::connect_timeout(&SocketAddr::new(address, port), PATIENCE);
        let mut sender = self.within(connect).unwrap_or_else(|error| failed("connect to", error));
        let (mut receiver, _) = listener.accept().unwrap_or_else(|error| failed("accept on", error));
        let is_patient = receiver.set_read_timeout(Some(PATIENCE)).and(sender.set_write_timeout(Some(PATIENCE)));
        is_patient.unwrap_or_else(|error| failed("prepare a connection to", error));
        let stream: Vec<u8> = (0..=250).cycle().take(bytes).collect();
        std::thread::scope(|scope| {
            // Where it stops, the receiver sees the end.
            scope.spawn(|| sender.write_all(&stream).and_then(|()| sender.shutdown(std::net::Shutdown::Write)));
            let mut arrived = Vec::with_capacity(bytes);
            // Nothing within the time is the end, too.
            let _ = receiver.read_to_end(&mut arrived);
            arrived.iter().zip(&stream).take_while(|(one, other)| one == other).count()
        })
    }
}
