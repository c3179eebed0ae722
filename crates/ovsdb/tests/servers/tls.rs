//! Servers by TLS, with the keys of `ovs-pki`.

use harness::{sh, spawn, wait_until};
use ovsdb::{Client, Error, Remote, Tls};

use crate::daemons::{PATIENCE, Switch, ask_for, bridge, has_bridge, transaction, within};

const SERVER: &str = "--remote=pssl:6641:127.0.0.1 --private-key=/run/pki/server-privkey.pem \
                      --certificate=/run/pki/server-cert.pem --ca-cert=/run/pki/cacert.pem";

/// A CA, and certificates of it for a server and for a client.
fn switch() -> Switch {
    let switch = Switch::new();
    pki("init && ovs-pki $P req+sign server && ovs-pki $P req+sign client && cp ca/switchca/cacert.pem cacert.pem");
    switch
}

fn pki(commands: &str) {
    sh(&format!(
        "mkdir -p /run/pki && cd /run/pki && P='--force --dir=/run/pki/ca --log=/run/pki/log' && ovs-pki $P {commands}"
    ))
    .ok();
}

/// The server that listens by TLS, beside the first.
fn serve(options: &str) -> harness::Background {
    sh("rm -f /run/pki/conf.db && ovsdb-tool create /run/pki/conf.db /usr/share/openvswitch/vswitch.ovsschema").ok();
    let server = spawn(&format!(
        "export OVS_RUNDIR=/run/pki OVS_LOGDIR=/run/pki; exec ovsdb-server /run/pki/conf.db {options} 2>/run/pki/server-log"
    ));
    wait_until("it listens", || sh("ss -Hltn sport = :6641").stdout.contains("6641"));
    server
}

fn keys(private_key: &str, certificate: &str, ca_certificate: &str) -> Tls {
    let path = |name: &str| format!("/run/pki/{name}").into();
    Tls { private_key: path(private_key), certificate: path(certificate), ca_certificate: path(ca_certificate) }
}

fn ours() -> Tls {
    keys("client-privkey.pem", "client-cert.pem", "cacert.pem")
}

fn connect(tls: &Tls) -> Result<Client, Error> {
    Client::connect(&Remote::parse("ssl:127.0.0.1:6641", Some(tls)).unwrap(), PATIENCE)
}

/// Connects and asks: with TLS 1.3 it is only then that a certificate is refused.
fn call(tls: &Tls) -> Result<(), Error> {
    connect(tls)?.transact(transaction([ask_for("br0")])).map(drop)
}

#[test]
fn a_server_is_spoken_to_with_the_keys_of_ovs_pki_in_every_form() {
    let _switch = switch();
    let _server = serve(SERVER);
    sh("ovs-vsctl --timeout=5 --db=ssl:127.0.0.1:6641 -p /run/pki/client-privkey.pem -c /run/pki/client-cert.pem \
        -C /run/pki/cacert.pem --no-wait init")
    .ok();
    let mut client = connect(&ours()).unwrap();
    assert!(client.transact(transaction(bridge("br0"))).unwrap().inserted(0).is_some());
    assert!(has_bridge(&mut client, "br0"));
    assert!(!client.is_locked("ovs_vswitchd").unwrap());

    // PKCS#1, and SEC 1 with a certificate of the same CA; a CA among others.
    sh("cd /run/pki && openssl rsa -traditional -in client-privkey.pem -out pkcs1.pem && grep -q 'BEGIN RSA' pkcs1.pem").ok();
    sh("cd /run/pki && openssl ecparam -name prime256v1 -genkey -noout -out sec1.pem && grep -q 'BEGIN EC' sec1.pem && \
        openssl req -new -key sec1.pem -subj \"/C=US/ST=CA/O=Open vSwitch/OU=Curves/CN=curve\" -out curve-req.pem")
    .ok();
    pki("--batch sign curve");
    sh("cd /run/pki && cat ca/controllerca/cacert.pem cacert.pem >both.pem").ok();
    for tls in [
        keys("pkcs1.pem", "client-cert.pem", "cacert.pem"),
        keys("sec1.pem", "curve-cert.pem", "cacert.pem"),
        keys("client-privkey.pem", "client-cert.pem", "both.pem"),
    ] {
        call(&tls).unwrap_or_else(|error| panic!("{tls:?}: {error}"));
    }
    let log = sh("cat /run/pki/server-log").ok();
    assert!(!log.contains("WARN"), "it takes leave from the server: {log}");
}

#[test]
fn megabytes_go_both_ways() {
    let _switch = switch();
    let _server = serve(SERVER);
    let mut client = connect(&ours()).unwrap();
    let large = ovsdb::value::map([("large", "x".repeat(1 << 20))]);
    let insert = ovsdb::operation::insert("Open_vSwitch", "o", serde_json::json!({"external_ids": large}));
    let select = ovsdb::operation::select("Open_vSwitch", &[], &["external_ids"]);
    let results = client.transact(transaction([insert, select])).unwrap();
    assert_eq!(results.rows(1)[0].entry("external_ids", "large").map(str::len), Some(1 << 20));
}

#[test]
fn whose_certificate_is_refused_is_said() {
    let _switch = switch();
    let server = serve(SERVER);
    pki("req stranger && ovs-pki $P self-sign stranger");
    sh("cd /run/pki && ovs-pki --force --dir=/run/pki/ca --log=log req late && \
        cd ca/switchca && \
         openssl ca -batch -config ca.cnf -startdate 20200101000000Z -enddate 20210101000000Z \
            -in ../../late-req.pem -out ../../late-cert.pem -notext")
    .ok();
    for (tls, words) in [
        (
            keys("client-privkey.pem", "client-cert.pem", "ca/controllerca/cacert.pem"),
            "is not signed by a CA of /run/pki/ca/controllerca/cacert.pem",
        ),
        (
            keys("stranger-privkey.pem", "stranger-cert.pem", "cacert.pem"),
            "does not accept our certificate /run/pki/stranger-cert.pem",
        ),
        (
            keys("late-privkey.pem", "late-cert.pem", "cacert.pem"),
            "our certificate /run/pki/late-cert.pem: it has expired",
        ),
    ] {
        let error = within(PATIENCE, || call(&tls)).unwrap_err();
        assert!(matches!(error, Error::Distrust { .. }) && !error.is_unanswered(), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.to_string().contains("ssl:127.0.0.1:6641"), "{error}");
    }
    drop(server);
    let _server = serve(&SERVER.replace("/server-", "/late-"));
    let error = call(&ours()).unwrap_err();
    assert!(matches!(error, Error::Distrust { .. }) && error.to_string().contains("it expired"), "{error}");
    assert!(error.to_string().contains("days ago"), "{error}");
}

/// OpenSSL's own server refuses with TLS 1.3, after this end thinks that all is well.
#[test]
fn a_refusal_after_the_handshake_is_said_as_well() {
    let _switch = switch();
    let _server = spawn(
        "cd /run/pki && exec openssl s_server -tls1_3 -accept 127.0.0.1:6641 -key server-privkey.pem -cert server-cert.pem \
         -CAfile ca/controllerca/cacert.pem -Verify 1 -verify_return_error -quiet >/dev/null 2>&1",
    );
    wait_until("it listens", || sh("ss -Hltn sport = :6641").stdout.contains("6641"));
    for _ in 0..20 {
        let error = call(&ours()).unwrap_err();
        assert!(matches!(error, Error::Distrust { .. }) && !error.is_unanswered(), "{error:?}");
        assert!(error.to_string().contains("does not accept our certificate /run/pki/client-cert.pem"), "{error}");
    }
    let both = connect(&ours()).unwrap().transact_and_wait(transaction([]), transaction([]), PATIENCE);
    assert!(matches!(both, (Err(Error::Distrust { .. }), Err(Error::Distrust { .. }))), "{both:?}");
}

/// A server of OpenSSL's with a certificate that `signer` signed, and whose own it shows, too; that was signed by the CA.
fn in_between(signer: &str, is_ca: &str) -> harness::Background {
    sh(&format!(
        "cd /run/pki && new='openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes' && \
         sign='openssl x509 -req -days 9 -CAcreateserial' && echo basicConstraints=CA:{is_ca} >kind && \
         $new -keyout {signer}.key -out {signer}.req -subj /CN={signer} && \
         $sign -in {signer}.req -CA cacert.pem -CAkey ca/switchca/private/cakey.pem -extfile kind -out {signer}.crt && \
         echo basicConstraints=CA:FALSE >kind && $new -keyout leaf.key -out leaf.req -subj /CN=leaf && \
         $sign -in leaf.req -CA {signer}.crt -CAkey {signer}.key -extfile kind -out leaf.crt"
    ))
    .ok();
    let server = spawn(&format!(
        "cd /run/pki && exec openssl s_server -accept 127.0.0.1:6641 -key leaf.key -cert leaf.crt -cert_chain {signer}.crt -quiet \
         >/dev/null 2>&1"
    ));
    wait_until("it listens", || sh("ss -Hltn sport = :6641").stdout.contains("6641"));
    server
}

#[test]
fn only_a_ca_signs_for_the_ca() {
    let _switch = switch();
    let server = in_between("lesser-ca", "TRUE");
    connect(&ours()).unwrap();
    drop(server);
    // Or every client of the CA could be the server under any certificate that it likes.
    let _server = in_between("client", "FALSE");
    let error = connect(&ours()).unwrap_err();
    assert!(matches!(error, Error::Distrust { .. }), "{error:?}");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let _switch = switch();
    sh("cd /run/pki && : >empty && echo '-----BEGIN PRIVATE KEY-----' >half && mkfifo pipe && \
        openssl pkcs8 -topk8 -in client-privkey.pem -passout pass:x -out locked.pem && \
        openssl genpkey -algorithm ed448 -out odd.pem && openssl genrsa -out short.pem 1024 && \
        printf -- '-----BEGIN CERTIFICATE-----\\nMAA=\\n-----END CERTIFICATE-----\\n' >hollow && \
        printf -- '-----BEGIN CERTIFICATE-----\\n!\\n-----END CERTIFICATE-----\\n' >damaged")
    .ok();
    for (tls, what, words) in [
        (keys("none", "client-cert.pem", "cacert.pem"), "private key /run/pki/none", "No such file"),
        (keys("client-privkey.pem", "none", "cacert.pem"), "certificate /run/pki/none", "No such file"),
        (keys("client-privkey.pem", "client-cert.pem", "none"), "CA certificate /run/pki/none", "No such file"),
        (keys("ca", "client-cert.pem", "cacert.pem"), "private key /run/pki/ca", "no file"),
        (keys("pipe", "client-cert.pem", "cacert.pem"), "private key /run/pki/pipe", "no file"),
        (keys("empty", "client-cert.pem", "cacert.pem"), "private key /run/pki/empty", "no private key in it"),
        (keys("half", "client-cert.pem", "cacert.pem"), "private key /run/pki/half", "PEM"),
        (keys("client-cert.pem", "client-cert.pem", "cacert.pem"), "private key", "no private key in it"),
        (keys("locked.pem", "client-cert.pem", "cacert.pem"), "private key", "encrypted"),
        (keys("odd.pem", "client-cert.pem", "cacert.pem"), "private key /run/pki/odd.pem", "RSA of at least 2048 bits"),
        (
            keys("short.pem", "client-cert.pem", "cacert.pem"),
            "private key /run/pki/short.pem",
            "RSA of at least 2048 bits",
        ),
        (
            keys("server-privkey.pem", "client-cert.pem", "cacert.pem"),
            "certificate /run/pki/client-cert.pem",
            "server-privkey.pem is not the one of it",
        ),
        (keys("client-privkey.pem", "client-privkey.pem", "cacert.pem"), "certificate", "no certificate in it"),
        (keys("client-privkey.pem", "hollow", "cacert.pem"), "certificate /run/pki/hollow", ""),
        (keys("client-privkey.pem", "damaged", "cacert.pem"), "certificate /run/pki/damaged", "PEM"),
        (keys("client-privkey.pem", "client-cert.pem", "hollow"), "CA certificate /run/pki/hollow", ""),
    ] {
        // Nobody listens: they are read before.
        match connect(&tls) {
            Err(error @ Error::Keys { .. }) => {
                let text = error.to_string();
                assert!(text.contains(&format!("the {what}")) && text.contains(words), "{text}");
                assert!(!error.is_unanswered() && !error.is_absence(), "{text}");
            }
            other => panic!("{tls:?}: {other:?}"),
        }
    }
}

#[test]
fn one_that_does_not_speak_tls_is_told() {
    let _switch = switch();
    let server = serve("--remote=ptcp:6641:127.0.0.1");
    let error = call(&ours()).unwrap_err();
    assert!(matches!(error, Error::Connect { .. }) && error.to_string().contains("pssl:"), "{error}");
    drop(server);
    let _server = serve(SERVER);
    let plain: Remote = "tcp:127.0.0.1:6641".parse().unwrap();
    let error = Client::connect(&plain, PATIENCE).unwrap().transact(transaction([ask_for("br0")])).unwrap_err();
    assert!(matches!(error, Error::Broken { .. } | Error::Nonsense { .. }), "{error}");
}
