use crate::{Namespace, Output};
use serde_json::Value;
use std::io::{BufRead, BufReader};

/// What `iperf3 -J` measured. "Sent" and "received" are the two ends of the data's way: with `-R` the client receives.
#[derive(Debug, Clone, PartialEq)]
pub struct Iperf {
    /// What the sender put out, in bit/s.
    pub sent_bit_s: f64,
    /// What arrived, in bit/s.
    pub received_bit_s: f64,
    /// TCP segments sent again; 0 with `-u`.
    pub retransmits: u64,
    /// UDP datagrams that did not arrive; 0 without `-u`.
    pub lost_packets: u64,
    /// UDP datagrams sent; 0 without `-u`.
    pub packets: u64,
    /// The whole report, for what is not above.
    pub report: Value,
}

impl Iperf {
    /// Runs a server for one test in `server` and the client by `client`, which is given its command line, and reads the
    /// client's report. Panics when there is none.
    pub fn measure(server: &Namespace, address: &str, args: &str, client: impl FnOnce(&str) -> Output) -> Self {
        run(server, || client(&format!("iperf3 --client {address} --json {args}")))
    }
}

impl Namespace {
    /// Runs `iperf3 -c ADDRESS ARGS` here against a server for this one test in `server`.
    pub fn iperf3_from(&self, server: &Namespace, address: &str, args: &str) -> Iperf {
        Iperf::measure(server, address, args, |command| self.sh(command))
    }
}

fn run(server: &Namespace, client: impl FnOnce() -> Output) -> Iperf {
    let mut listener = server.spawn("exec iperf3 --server --one-off --forceflush");
    let stdout = listener.child().stdout.take();
    let mut lines = BufReader::new(stdout.unwrap_or_else(|| panic!("iperf3's stdout is not ours"))).lines();
    if !lines.any(|line| line.is_ok_and(|line| line.contains("Server listening"))) {
        panic!("the iperf3 server in {} ended before it listened", server.name);
    }
    // Read on, or the server dies of a closed pipe.
    let drain = std::thread::spawn(move || lines.for_each(drop));
    let output = client();
    let result = parse(&output);
    drop(listener);
    drain.join().unwrap_or_else(|_| panic!("reading the iperf3 server's output failed"));
    result
}

fn parse(output: &Output) -> Iperf {
    let report: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("iperf3 gave no report ({e}): {output:?}"));
    if output.status != 0 || report.get("error").is_some() {
        panic!("iperf3 failed: {} {}", report["error"], output.stderr);
    }
    let end = &report["end"];
    // A UDP report of older versions has only one sum, the sender's.
    let sum = |name: &str| if end[name].is_object() { &end[name] } else { &end["sum"] };
    let (sent, received) = (sum("sum_sent"), sum("sum_received"));
    let rate = |sum: &Value| sum["bits_per_second"].as_f64().unwrap_or(f64::NAN);
    let kept = 1.0 - end["sum"]["lost_percent"].as_f64().unwrap_or(0.0) / 100.0;
    Iperf {
        sent_bit_s: rate(sent),
        received_bit_s: if end["sum_received"].is_object() { rate(received) } else { rate(received) * kept },
        retransmits: sent["retransmits"].as_u64().unwrap_or(0),
        lost_packets: end["sum"]["lost_packets"].as_u64().unwrap_or(0),
        packets: end["sum"]["packets"].as_u64().unwrap_or(0),
        report,
    }
}
