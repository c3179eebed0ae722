use crate::sh;
use std::path::{Path, PathBuf};

/// Files in PEM, below the database's directory: an authority of the test's own, and two certificates that it signed.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The authority's certificate.
    pub authority: PathBuf,
    /// The client's private key.
    pub private_key: PathBuf,
    /// The client's certificate.
    pub certificate: PathBuf,
    server_key: PathBuf,
    server_certificate: PathBuf,
}

impl TlsFiles {
    /// Made by `openssl`: version 3, elliptic curve P-256, the server's for 127.0.0.1 and localhost.
    pub(super) fn make(directory: &Path) -> Self {
        let directory = directory.join("tls");
        let file = |name: &str| directory.join(name);
        let script = format!(
            "set -e; mkdir -p {path}; cd {path}
             key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2'
             openssl req -x509 $key -keyout ca.key -out ca.pem -subj '/CN=authority of the test' \
                 -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
             for one in server client; do
                 openssl req $key -keyout $one.key -out $one.csr -subj /CN=$one
                 printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n' >$one.ext
                 openssl x509 -req -in $one.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $one.ext -out $one.pem
             done",
            path = directory.display()
        );
        sh(&script).ok();
        Self {
            authority: file("ca.pem"),
            private_key: file("client.key"),
            certificate: file("client.pem"),
            server_key: file("server.key"),
            server_certificate: file("server.pem"),
        }
    }

    /// The options of `ovsdb-client` and `ovs-vsctl` that name the client's files.
    pub fn client_options(&self) -> String {
        options(&self.private_key, &self.certificate, &self.authority)
    }

    pub(super) fn server_options(&self) -> String {
        options(&self.server_key, &self.server_certificate, &self.authority)
    }
}

fn options(private_key: &Path, certificate: &Path, authority: &Path) -> String {
    let [private_key, certificate, authority] = [private_key, certificate, authority].map(Path::display);
    format!("--private-key={private_key} --certificate={certificate} --ca-cert={authority}")
}
