//! What takes longer than was said.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

use harness::{Host, sh};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};
use ovsdb::{Client, Error, Remote, Tls, operation, value};
use serde_json::json;

use crate::daemons::{transaction, within};

const PATIENCE: Duration = Duration::from_millis(400);

fn local() -> OwnedFd {
    socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap()
}

#[test]
fn a_server_with_too_many_callers_is_not_waited_for() {
    let _host = Host::enter();
    let address = UnixAddr::new("/run/full").unwrap();
    let server = local();
    bind(server.as_raw_fd(), &address).unwrap();
    listen(&server, Backlog::new(0).unwrap()).unwrap();
    let caller = local();
    connect(caller.as_raw_fd(), &address).unwrap();
    let remote: Remote = "unix:/run/full".parse().unwrap();
    let error = within(PATIENCE, || Client::connect(&remote, PATIENCE)).unwrap_err();
    assert!(matches!(error, Error::Connect { .. }) && error.is_absence(), "{error}");
    assert!(error.to_string().contains("within 400 ms"), "{error}");

    // One that comes to itself in time is reached.
    let server = thread::spawn(move || {
        thread::sleep(PATIENCE / 4);
        let server = UnixListener::from(server);
        [server.accept().unwrap(), server.accept().unwrap()]
    });
    Client::connect(&remote, PATIENCE * 10).unwrap();
    server.join().unwrap();
}

#[test]
fn a_server_that_accepts_and_hangs_is_not_waited_for() {
    let _host = Host::enter();
    let server = TcpListener::bind("127.0.0.1:6640").unwrap();
    let mut client = Client::connect(&"tcp:127.0.0.1".parse().unwrap(), PATIENCE).unwrap();
    let error = within(PATIENCE, || client.transact(transaction([]))).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }) && error.is_unanswered(), "{error}");
    drop(server);
}

/// Never silent for long, and never done.
#[test]
fn an_answer_that_trickles_does_not_prolong_the_time() {
    let _host = Host::enter();
    let server = UnixListener::bind("/run/slow").unwrap();
    let slow = thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        while stream.write_all(br#"{"id":"e","method":"echo","params":[]}{"id":1,"#.get(..38).unwrap()).is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let mut client = Client::connect(&"unix:/run/slow".parse().unwrap(), PATIENCE).unwrap();
    let error = within(PATIENCE, || client.transact(transaction([]))).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    drop(client);
    slow.join().unwrap();

    let server = UnixListener::bind("/run/slower").unwrap();
    let slow = thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut answer = br#"{"id":1,"error":null,"result":["#.iter().chain(std::iter::repeat(&b' '));
        while stream.write_all(&[*answer.next().unwrap()]).is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    let mut client = Client::connect(&"unix:/run/slower".parse().unwrap(), PATIENCE).unwrap();
    let error = within(PATIENCE, || client.transact(transaction([]))).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }), "{error}");
    drop(client);
    slow.join().unwrap();
}

#[test]
fn a_server_that_reads_slowly_does_not_prolong_the_time() {
    let _host = Host::enter();
    let server = UnixListener::bind("/run/slow").unwrap();
    let slow = thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut some = [0; 4096];
        while stream.read(&mut some).is_ok_and(|count| count > 0) {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let mut client = Client::connect(&"unix:/run/slow".parse().unwrap(), PATIENCE).unwrap();
    let large = value::map([("large", "x".repeat(2 << 20))]);
    let update = || operation::update("Open_vSwitch", &[], json!({"external_ids": large}));
    let error = within(PATIENCE, || client.transact(transaction([update()]))).unwrap_err();
    assert!(matches!(error, Error::Silent { .. }) && error.is_unanswered(), "{error}");
    // Half a call was sent: another behind it would be a part of that.
    let error = within(Duration::ZERO, || client.transact(transaction([]))).unwrap_err();
    assert!(matches!(error, Error::Broken { .. }), "{error}");
    drop(client);
    // It reads what is in the socket, 200 kB in steps of 20 ms.
    slow.join().unwrap();
}

#[test]
fn a_host_that_does_not_answer_leaves_time_for_none() {
    let _host = Host::enter();
    sh("ip link add d0 type veth peer d1 && ip address add 192.0.2.1/24 dev d0 && ip link set d0 up && ip link set d1 up").ok();
    sh("ip neighbour add 192.0.2.2 lladdr 02:00:00:00:00:02 dev d0 nud permanent").ok();
    let error = within(PATIENCE, || Client::connect(&"tcp:192.0.2.2".parse().unwrap(), PATIENCE)).unwrap_err();
    assert!(matches!(error, Error::Connect { .. }) && error.to_string().contains("within 400 ms"), "{error}");
}

/// The resolver alone would wait for 5 s, and then ask again.
#[test]
fn a_name_server_that_hangs_is_not_waited_for() {
    let _host = Host::enter();
    // Where it is a link, that leads to the /run that is hidden now.
    sh("echo nameserver 127.0.0.1 >/run/names && file=$(readlink -m /etc/resolv.conf) && mkdir -p ${file%/*} && \
        { [ -e $file ] || : >$file; } && mount --bind /run/names $file")
    .ok();
    let server = UdpSocket::bind("127.0.0.1:53").unwrap();
    let remote: Remote = "tcp:ovs.example:6640".parse().unwrap();
    let error = within(PATIENCE, || Client::connect(&remote, PATIENCE)).unwrap_err();
    assert!(error.is_absence() && error.to_string().contains("its name was not resolved in time"), "{error}");
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    server.recv(&mut [0; 512]).expect("the resolver asked it");
}

#[test]
fn a_handshake_that_hangs_is_not_waited_for() {
    let _host = Host::enter();
    sh("cd /run && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key -out cert -subj /CN=x").ok();
    let tls =
        Tls { private_key: "/run/key".into(), certificate: "/run/cert".into(), ca_certificate: "/run/cert".into() };
    let server = TcpListener::bind("127.0.0.1:6640").unwrap();
    let remote = Remote::parse("ssl:127.0.0.1", Some(&tls)).unwrap();
    let error = within(PATIENCE, || Client::connect(&remote, PATIENCE)).unwrap_err();
    assert!(matches!(error, Error::Connect { .. }) && error.to_string().contains("within 400 ms"), "{error}");
    let (mut caller, _) = server.accept().unwrap();
    let mut begin = [0; 3];
    caller.read_exact(&mut begin).unwrap();
    assert_eq!(begin[..2], [22, 3], "a record of a handshake");
}
