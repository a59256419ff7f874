//! Three ways to believe a server: by anchors, by the caller's own judgement, or not yet.
//!
//! None of them resumes a session, and each of them makes the server prove that it holds the key of
//! the certificate it shows.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::proof::Proof;
use super::{ALPN_HTTP_1_1, Identity, MachineClock, TlsConfigError, provider};

/// Believes servers whose chain leads to one of `anchors` (certificates in DER), with the server's
/// name, dates, and, where the certificate limits its uses, `serverAuth` among them.
///
/// A registrar whose certificate carries `id-kp-cmcRA` beside `serverAuth` is believed; one with
/// `id-kp-cmcRA` alone, which RFC 7030 section 3.6.1 takes in place of the name, and one that is
/// itself a CA certificate, is not: use [`judged`] for those.
///
/// # Errors
/// [`TlsConfigError`], by the anchor or identity that is wrong.
pub fn anchored(
    anchors: &[Vec<u8>],
    identity: Option<&Identity>,
) -> Result<Arc<ClientConfig>, TlsConfigError> {
    let mut roots = RootCertStore::empty();
    for (place, anchor) in anchors.iter().enumerate() {
        let added = roots.add(CertificateDer::from(anchor.clone()));
        added.map_err(|error| TlsConfigError::BadAnchor { number: place + 1, reason: error.to_string() })?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|_| TlsConfigError::NoAnchors)?;
    config(verifier, identity)
}

/// Whether a server's chain is to be believed, as the caller sees it.
pub trait ServerJudge: Send + Sync {
    /// Judges `chain` (DER, the server's own certificate first; each of them unparsed) of the
    /// server that was asked for as `server`, a DNS name or an IP address, at `now_millis`.
    /// Called during the handshake: it must not wait for anything.
    ///
    /// # Errors
    /// Why the server is refused; the handshake ends with an alert.
    fn judge(&self, chain: &[&[u8]], server: &str, now_millis: i64) -> Result<(), String>;
}

/// Believes the servers that `judge` believes.
///
/// # Errors
/// [`TlsConfigError::NoCertificate`], [`TlsConfigError::NotItsKey`].
pub fn judged(
    judge: Arc<dyn ServerJudge>,
    identity: Option<&Identity>,
) -> Result<Arc<ClientConfig>, TlsConfigError> {
    let proof = Proof(provider());
    config(Arc::new(Judged { judge, proof }), identity)
}

/// Takes any chain for the time being: the provisional state of a pledge, RFC 8995 section 5.1. The caller gets the chain from [`crate::http::client::Connection::server_chain`] and must judge
/// it before it believes anything that came over the connection.
///
/// # Errors
/// [`TlsConfigError::NoCertificate`], [`TlsConfigError::NotItsKey`].
pub fn provisional(identity: Option<&Identity>) -> Result<Arc<ClientConfig>, TlsConfigError> {
    judged(Arc::new(NotYet), identity)
}

fn config(
    verifier: Arc<dyn ServerCertVerifier>,
    identity: Option<&Identity>,
) -> Result<Arc<ClientConfig>, TlsConfigError> {
    let builder = ClientConfig::builder_with_details(provider(), Arc::new(MachineClock))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity.resolver()?),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![ALPN_HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

struct NotYet;

impl ServerJudge for NotYet {
    fn judge(&self, _chain: &[&[u8]], _server: &str, _now_millis: i64) -> Result<(), String> {
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

struct Judged {
    judge: Arc<dyn ServerJudge>,
    proof: Proof,
}

impl fmt::Debug for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judged").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Judged {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut chain = vec![end_entity.as_ref()];
        chain.extend(intermediates.iter().map(AsRef::as_ref));
        let now_millis = i64::try_from(now.as_secs()).map_or(i64::MAX, |s| s.saturating_mul(1000));
        self.judge.judge(&chain, &server_name.to_str(), now_millis).map_err(|why| {
            let why = OtherError(Arc::new(Refused(why)));
            Error::InvalidCertificate(CertificateError::Other(why))
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proof.tls12(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.proof.tls13(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.proof.schemes()
    }
}
