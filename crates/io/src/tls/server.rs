//! The two kinds of listener.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoClientAuth, NoServerSessionStorage};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};

use super::proof::Proof;
use super::{ALPN_HTTP_1_1, Identity, MachineClock, TlsConfigError, provider};

/// For people: no client certificate is asked for. TLS 1.3 and 1.2, `http/1.1`.
///
/// # Errors
/// [`TlsConfigError::NoCertificate`], [`TlsConfigError::NotItsKey`].
pub fn people_config(identity: &Identity) -> Result<Arc<ServerConfig>, TlsConfigError> {
    config(identity, Arc::new(NoClientAuth)).map(Arc::new)
}

/// For devices: a client certificate is asked for and may be left out. Who shows one must prove
/// that it holds the key; the chain itself is *not* judged here but handed up with each request
/// ([`crate::http::server::Peer`]). TLS 1.3 and 1.2, `http/1.1`.
///
/// No session is ever resumed: rustls does not ask a verifier again on a resumed session, and the
/// caller could not tell an old proof from a new one.
///
/// # Errors
/// [`TlsConfigError::NoCertificate`], [`TlsConfigError::NotItsKey`].
pub fn devices_config(identity: &Identity) -> Result<Arc<ServerConfig>, TlsConfigError> {
    let mut config = config(identity, Arc::new(AnyChain(Proof(provider()))))?;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}

fn config(identity: &Identity, clients: Arc<dyn ClientCertVerifier>) -> Result<ServerConfig, TlsConfigError> {
    let mut config = ServerConfig::builder_with_details(provider(), Arc::new(MachineClock))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(identity.resolver()?);
    config.alpn_protocols = vec![ALPN_HTTP_1_1.to_vec()];
    Ok(config)
}

/// Takes any client chain whose first certificate's key the client holds.
#[derive(Debug)]
struct AnyChain(Proof);

impl ClientCertVerifier for AnyChain {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    // None: a pledge shows its manufacturer's certificate, whose issuer we cannot name beforehand.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.tls12(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.tls13(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.schemes()
    }
}
