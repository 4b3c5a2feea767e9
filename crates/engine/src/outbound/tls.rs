//! Whose certificates are believed: those of the web, and for a connection with `caFile` those of
//! its own authority instead.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The certificates of an authority of one's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority(Arc<[CertificateDer<'static>]>);

impl Authority {
    /// Reads certificates in PEM.
    ///
    /// # Errors
    /// Why there are none in it that can be used.
    pub fn parse(pem: &[u8]) -> Result<Self, String> {
        let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        let found = found.map_err(|error| error.to_string())?;
        if found.is_empty() {
            return Err("it holds no certificate".to_owned());
        }
        let mut roots = rustls::RootCertStore::empty();
        for certificate in &found {
            roots.add(certificate.clone()).map_err(|error| error.to_string())?;
        }
        Ok(Self(found.into()))
    }

    /// Its certificates.
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }
}

/// TLS as it is spoken to servers.
pub(super) fn config(authority: Option<&Authority>) -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    match authority {
        Some(authority) => {
            for certificate in authority.certificates() {
                roots.add(certificate.clone())?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
