//! Web servers and their clients, for ports that are published.

use harness::{Background, Namespace, Output, wait_until};

/// A web server on a port of a node: busybox's, whose page is the node's name.
///
/// # Panics
/// If it does not listen.
pub fn web_server(node: &Namespace, port: u16) -> Background {
    let name = &node.name;
    let root = format!("/run/www-{name}");
    let server = node.spawn(&format!(
        "mkdir -p {root} && printf %s {name} > {root}/index.html && exec busybox httpd -f -p {port} -h {root}"
    ));
    wait_until("the web server listens", || !node.sh(&format!("ss -Hltn sport = {port}")).ok().is_empty());
    server
}

/// What `curl` gets where `run` runs it: the page and the status, such as `c1 200`; ` 000` without an answer.
pub fn page(run: impl Fn(&str) -> Output, address: &str, port: u16) -> String {
    let command = format!("curl --silent --max-time 2 --write-out ' %{{http_code}}' 'http://{address}:{port}/'");
    run(&command).stdout
}
