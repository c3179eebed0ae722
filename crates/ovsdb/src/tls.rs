//! The keys for a server that is reached by TLS.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::Error;

/// The files with the keys for a server at `ssl:`, in PEM as `ovs-pki` makes them; those of `ovs-vsctl`'s options `--private-key`,
/// `--certificate` and `--ca-cert`.
///
/// As with Open vSwitch, the server's certificate must be signed by the CA, and the name in it does not matter. So anybody to
/// whom this CA gave a certificate can be the server: let it be one that signs for Open vSwitch only. Certificates are X.509
/// version 3, as `ovs-pki` makes them; the protocol is TLS 1.2 or 1.3.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tls {
    /// The private key: PKCS#8, PKCS#1 or SEC 1, RSA of at least 2048 bits or an elliptic curve; not encrypted.
    pub private_key: PathBuf,
    /// The certificate of this end, which servers of Open vSwitch ask for, and those that lead from it to a CA.
    pub certificate: PathBuf,
    /// The certificates of the CAs of which one must have signed the server's.
    pub ca_certificate: PathBuf,
}

/// What the files contain.
pub(crate) struct Keys {
    pub(crate) private_key: PrivateKeyDer<'static>,
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) ca_certificates: Vec<CertificateDer<'static>>,
}

/// Nobody has larger ones, in bytes: all CAs of Debian have 220 kB.
const LIMIT_BYTES: u64 = 4 << 20;

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub(crate) fn read(&self) -> Result<Keys, Error> {
        Ok(Keys {
            private_key: private_key(&self.private_key)?,
            certificates: certificates(CERTIFICATE, &self.certificate)?,
            ca_certificates: certificates(CA_CERTIFICATE, &self.ca_certificate)?,
        })
    }
}

/// What the files are called.
pub(crate) const PRIVATE_KEY: &str = "private key";
pub(crate) const CERTIFICATE: &str = "certificate";
pub(crate) const CA_CERTIFICATE: &str = "CA certificate";

/// What is wrong with one of the files.
pub(crate) fn objection(what: &'static str, path: &Path, reason: impl Display) -> Error {
    Error::Keys { what, path: path.to_owned(), reason: reason.to_string() }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let text = text(PRIVATE_KEY, path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let is_encrypted = text.windows(9).any(|word| word == b"ENCRYPTED");
        let reason = match error {
            _ if is_encrypted => "it is encrypted; it must be a file without a pass phrase".to_owned(),
            pem::Error::NoItemsFound => "there is no private key in it (-----BEGIN PRIVATE KEY-----)".to_owned(),
            error => format!("it is no PEM: {error}"),
        };
        objection(PRIVATE_KEY, path, reason)
    })
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = text(what, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(objection(what, path, "there is no certificate in it (-----BEGIN CERTIFICATE-----)"))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(objection(what, path, format!("it is no PEM: {error}"))),
    }
}

/// Reads a file, which must be one: a pipe might never end.
fn text(what: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    let read = || -> io::Result<Vec<u8>> {
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut text = Vec::new();
        File::open(path)?.take(LIMIT_BYTES).read_to_end(&mut text)?;
        Ok(text)
    };
    read().map_err(|error| objection(what, path, error))
}
