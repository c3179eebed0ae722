//! TLS on a connected socket.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
};

use crate::Error;
use crate::socket::Socket;
use crate::stream::Stream;
use crate::tls::{CA_CERTIFICATE, CERTIFICATE, Keys, PRIVATE_KEY, Tls, objection};

/// TLS on a connected socket. Each call has a time by which it ends.
pub(crate) struct Secured {
    socket: Socket,
    session: ClientConnection,
    /// The name of the file with our certificate, for people.
    certificate: String,
    /// Something came that the other end has encrypted: it has accepted our certificate.
    is_accepted: bool,
}

/// One of the two ends did not accept the other, which has done nothing then.
#[derive(Debug)]
pub(crate) struct Distrust(pub(crate) String);

impl Secured {
    /// What the keys are good for; it does not need the server.
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub(crate) fn prepare(tls: &Tls) -> Result<ClientConfig, Error> {
        let Keys { private_key, certificates, ca_certificates } = tls.read()?;
        let mut roots = RootCertStore::empty();
        for certificate in ca_certificates {
            roots.add(certificate).map_err(|error| objection(CA_CERTIFICATE, &tls.ca_certificate, error))?;
        }
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(Chain { roots, provider: provider.clone() });
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| objection(CERTIFICATE, &tls.certificate, error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(certificates, private_key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    let key = tls.private_key.display();
                    objection(CERTIFICATE, &tls.certificate, format!("the private key {key} is not the one of it"))
                }
                rustls::Error::InvalidCertificate(_) => {
                    objection(CERTIFICATE, &tls.certificate, certificate_words(&error))
                }
                error => objection(PRIVATE_KEY, &tls.private_key, key_words(&error)),
            })?;
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// Speaks to the server until both trust each other, as far as one can know.
    ///
    /// # Errors
    /// The system's; `TimedOut` when the time is over; with [`Distrust`] inside what is wrong with the other end.
    pub(crate) fn open(
        socket: Socket,
        config: ClientConfig,
        tls: &Tls,
        host: &str,
        until: Instant,
    ) -> io::Result<Self> {
        // Only told to the server: nobody looks for it in the certificate.
        let name = ServerName::try_from(host.to_owned())
            .unwrap_or_else(|_| ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into()));
        let session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let certificate = tls.certificate.display().to_string();
        let mut secured = Self { socket, session, certificate, is_accepted: false };
        let done = secured.session.complete_io(&mut Timed { socket: &secured.socket, until });
        done.map_err(|error| match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(reason) => io::Error::other(Distrust(words(reason, tls))),
            None if error.kind() == io::ErrorKind::UnexpectedEof => io::Error::new(
                error.kind(),
                "it closed the connection when spoken to in TLS; does it listen with pssl:?",
            ),
            None => error,
        })?;
        Ok(secured)
    }
}

impl Stream for Secured {
    fn send(&mut self, bytes: &[u8], until: Instant) -> io::Result<()> {
        let mut timed = Timed { socket: &self.socket, until };
        let mut stream = rustls::Stream::new(&mut self.session, &mut timed);
        match stream.write_all(bytes).and_then(|()| stream.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut || self.is_accepted => Err(error),
            // What is there to be read may be why.
            Err(error) => match self.receive(&mut [0], until) {
                Err(reason) if reason.get_ref().is_some_and(|inner| inner.is::<Distrust>()) => Err(reason),
                _ => Err(error),
            },
        }
    }

    fn receive(&mut self, bytes: &mut [u8], until: Instant) -> io::Result<usize> {
        let mut timed = Timed { socket: &self.socket, until };
        let received = rustls::Stream::new(&mut self.session, &mut timed).read(bytes);
        match received {
            Ok(count) => {
                self.is_accepted = true;
                Ok(count)
            }
            // With TLS 1.3 the server looks at our certificate when we are done.
            Err(error) if !self.is_accepted => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(rustls::Error::AlertReceived(alert)) if is_distrust(*alert) => {
                    Err(io::Error::other(Distrust(alert_words(*alert, &self.certificate))))
                }
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}

impl Drop for Secured {
    /// Takes leave, without which the server logs a warning; it does not matter if that fails.
    fn drop(&mut self) {
        self.session.send_close_notify();
        let mut timed = Timed { socket: &self.socket, until: Instant::now() };
        let _ = self.session.write_tls(&mut timed);
    }
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secured").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Distrust {}

/// A socket with a time by which everything is done.
struct Timed<'a> {
    socket: &'a Socket,
    until: Instant,
}

impl Read for Timed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.receive_some(bytes, self.until)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.send_some(bytes, self.until)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The server's certificate is signed by one of the CAs, is valid now, and is of that server; whatever the name in it.
#[derive(Debug)]
struct Chain {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Chain {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let certificate = ParsedCertificate::try_from(certificate)?;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The alerts by which a server says that it does not accept a certificate, or that there is none (RFC 8446, section 6.2).
fn is_distrust(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::HandshakeFailure
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::CertificateRequired
    )
}

fn alert_words(alert: AlertDescription, certificate: &str) -> String {
    if alert == AlertDescription::UnknownCA {
        format!("the server does not accept our certificate {certificate}: no CA that it knows has signed it")
    } else if alert == AlertDescription::CertificateExpired {
        format!("the server does not accept our certificate {certificate}: it has expired, by the server's clock")
    } else if alert != AlertDescription::HandshakeFailure && is_distrust(alert) {
        format!("the server does not accept our certificate {certificate} ({alert:?})")
    } else {
        format!("the server gave up ({alert:?})")
    }
}

/// What is wrong with the other end, or what it finds wrong with this one.
fn words(error: &rustls::Error, tls: &Tls) -> String {
    match error {
        rustls::Error::AlertReceived(alert) => alert_words(*alert, &tls.certificate.display().to_string()),
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            format!("its certificate is not signed by a CA of {}", tls.ca_certificate.display())
        }
        rustls::Error::InvalidCertificate(_) => format!("its certificate is refused: {}", certificate_words(error)),
        rustls::Error::InvalidMessage(_) => format!("what answers there does not speak TLS ({error})"),
        error => error.to_string(),
    }
}

/// What is wrong with a certificate.
fn certificate_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after }) => {
            let since = time.as_secs().saturating_sub(not_after.as_secs());
            format!("it expired {} ago, by the clock of this machine", span(since))
        }
        rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { time, not_before }) => {
            let until = not_before.as_secs().saturating_sub(time.as_secs());
            format!("it is valid only in {}, by the clock of this machine", span(until))
        }
        rustls::Error::InvalidCertificate(error) => error.to_string(),
        error => error.to_string(),
    }
}

/// What is wrong with a private key.
fn key_words(error: &rustls::Error) -> String {
    format!("{error}; it must be RSA of at least 2048 bits, or an elliptic curve")
}

/// A span of time, in the largest unit of which it has at least two.
fn span(seconds: u64) -> String {
    let units = [(86_400, "days"), (3600, "hours"), (60, "minutes")];
    let unit = units.into_iter().find(|(length, _)| seconds >= 2 * length);
    unit.map_or_else(|| format!("{seconds} s"), |(length, name)| format!("{} {name}", seconds / length))
}
