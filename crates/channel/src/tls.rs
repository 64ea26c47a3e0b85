//! TLS as Open vSwitch does it: both ends show certificates, both are verified against given
//! authorities, and names are not compared unless asked for.
//!
//! By OpenSSL, since the switches of XCP-ng 8.3 take TLS 1.2 with static RSA only, which rustls does
//! not have. Such a connection has no forward secrecy; every better suite is preferred.

use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslRef, SslVerifyMode,
    SslVersion,
};
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509VerifyResult};

use crate::certificate::fingerprint;

/// For TLS 1.2: authenticated encryption only. The last two are static RSA, for XCP-ng.
const CIPHERS: &str =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:AES256-GCM-SHA384:AES128-GCM-SHA256:!aNULL";

/// A certificate and its key.
#[derive(Clone)]
pub struct Identity {
    certificates: Vec<X509>,
    key: PKey<openssl::pkey::Private>,
}

/// How this end shows itself, and whom it believes.
#[derive(Clone)]
pub struct Tls {
    context: SslContext,
    name: Option<String>,
}

/// What a certificate, key or authority cannot be used for, and why.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the certificate is no PEM with at least one X.509 certificate: {0}")]
    Certificate(ErrorStack),
    #[error("the private key is no PEM with a key without a passphrase: {0}")]
    Key(ErrorStack),
    #[error("the private key is not the one of the certificate")]
    Mismatch,
    #[error("the authorities are no PEM with at least one X.509 certificate: {0}")]
    Authorities(ErrorStack),
    #[error("OpenSSL cannot set up TLS: {0}")]
    OpenSsl(#[from] ErrorStack),
}

/// Who is at the other end, and how it is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The subject, as in `CN=hv-1`.
    pub subject: String,
    /// SHA-256 over the certificate, in hexadecimal.
    pub fingerprint: String,
    /// As in `TLSv1.2`.
    pub version: String,
    /// As in `ECDHE-RSA-AES256-GCM-SHA384`.
    pub cipher: String,
}

impl Identity {
    /// From PEM: the certificate first, then those between it and an authority.
    ///
    /// # Errors
    /// What cannot be read, and a key of another certificate.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let certificates = X509::stack_from_pem(certificates).map_err(TlsError::Certificate)?;
        // Never asks for a passphrase on a terminal.
        let key = PKey::private_key_from_pem_callback(key, |_| Ok(0)).map_err(TlsError::Key)?;
        match certificates.first() {
            None => Err(TlsError::Certificate(ErrorStack::get())),
            Some(first) if !first.public_key()?.public_eq(&key) => Err(TlsError::Mismatch),
            Some(_) => Ok(Self { certificates, key }),
        }
    }
}

impl Tls {
    /// Shows `identity` and believes whom one of the PEM certificates of `authorities` vouches for. A
    /// host's own certificate may be among them, and then vouches for itself.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn new(identity: Option<&Identity>, authorities: &[u8]) -> Result<Self, TlsError> {
        let mut builder = SslContextBuilder::new(SslMethod::tls())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        builder.set_cipher_list(CIPHERS)?;
        builder.set_options(SslOptions::NO_COMPRESSION | SslOptions::NO_RENEGOTIATION);
        builder.set_mode(SslMode::ENABLE_PARTIAL_WRITE | SslMode::ACCEPT_MOVING_WRITE_BUFFER);
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        // Servers that verify clients must say which sessions are theirs.
        builder.set_session_id_context(b"moat")?;

        let authorities = X509::stack_from_pem(authorities).map_err(TlsError::Authorities)?;
        if authorities.is_empty() {
            return Err(TlsError::Authorities(ErrorStack::get()));
        }
        let store = builder.cert_store_mut();
        store.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        for authority in authorities {
            store.add_cert(authority)?;
        }
        if let Some(Identity { certificates, key }) = identity {
            let mut certificates = certificates.iter();
            if let Some(first) = certificates.next() {
                builder.set_certificate(first)?;
            }
            for between in certificates {
                builder.add_extra_chain_cert(between.clone())?;
            }
            builder.set_private_key(key)?;
        }
        Ok(Self {
            context: builder.build(),
            name: None,
        })
    }

    /// The peer's certificate must also be for this name or address.
    #[must_use]
    pub fn with_name(&self, name: &str) -> Self {
        Self {
            context: self.context.clone(),
            name: Some(name.to_owned()),
        }
    }

    pub(crate) fn begin(&self) -> Result<Ssl, ErrorStack> {
        let mut ssl = Ssl::new(&self.context)?;
        if let Some(name) = &self.name {
            match name.parse() {
                Ok(address) => ssl.param_mut().set_ip(address)?,
                Err(_) => ssl.param_mut().set_host(name)?,
            }
        }
        Ok(ssl)
    }
}

impl PeerIdentity {
    pub(crate) fn of(ssl: &SslRef) -> Option<Self> {
        let certificate = ssl.peer_certificate()?;
        Some(Self {
            subject: crate::certificate::name_text(certificate.subject_name()),
            fingerprint: fingerprint(&certificate),
            version: ssl.version_str().to_owned(),
            cipher: ssl
                .current_cipher()
                .map(|cipher| cipher.name().to_owned())
                .unwrap_or_default(),
        })
    }
}

/// Why a handshake failed, in one sentence.
pub(crate) fn handshake_failure(ssl: &SslRef, error: &openssl::ssl::Error) -> String {
    let verified = ssl.verify_result();
    if verified != X509VerifyResult::OK {
        return format!(
            "its certificate is not to be believed: {}",
            verified.error_string()
        );
    }
    if let Some(error) = error.io_error() {
        return error.to_string();
    }
    match error.ssl_error().and_then(|stack| stack.errors().first()) {
        Some(first) => first.reason().unwrap_or("no reason given").to_owned(),
        None => "it closed the connection; perhaps it does not believe our certificate".to_owned(),
    }
}

impl std::fmt::Debug for Identity {
    /// Never shows the key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("certificates", &self.certificates.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Tls")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
