//! Certificates for servers of tests, made anew each time.

use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};

/// A certificate that signs itself, for this machine.
pub struct Certificate {
    /// The certificate, for whoever is to believe it.
    pub pem: String,
    config: Arc<ServerConfig>,
}

impl Certificate {
    pub fn new() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a certificate with its key");
        Self { pem: made.cert.pem(), config: Arc::new(config) }
    }

    /// The server's side of a connection.
    pub fn accept(&self) -> ServerConnection {
        ServerConnection::new(Arc::clone(&self.config)).expect("a connection")
    }
}
