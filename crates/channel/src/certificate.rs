//! Certificates of our own: an authority and what it vouches for, and what a certificate says. Knows
//! X.509; where files are, and when they are replaced, is left to others.
//!
//! Keys are RSA with 2048 bits, since the switches of XCP-ng 8.3 take no other kind, and names are in
//! the subject and in the subject's alternative names, since older and newer switches look there.

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::bn::{BigNum, MsbOption};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509NameBuilder, X509NameRef};

const KEY_BITS: u32 = 2048;
/// Clocks of hosts differ: a new certificate holds since a day ago.
const EARLIER_SECONDS: i64 = 86_400;

/// A certificate and its private key, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// As in `CN=hv-1`.
    pub subject: String,
    pub issuer: String,
    /// Names and addresses that it is for.
    pub names: Vec<String>,
    pub is_authority: bool,
    /// Seconds since 1970.
    pub not_before: i64,
    pub not_after: i64,
    /// In hexadecimal.
    pub serial: String,
    /// SHA-256 over the certificate, in hexadecimal.
    pub fingerprint: String,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("this is no PEM with an X.509 certificate: {0}")]
    Certificate(ErrorStack),
    #[error("this is no PEM with a private key without a passphrase: {0}")]
    Key(ErrorStack),
    #[error("the certificate is no authority: it cannot vouch for others")]
    NoAuthority,
    #[error("the authority's key is not the one of its certificate")]
    Mismatch,
    #[error("'{0}' cannot be a name in a certificate; 1 to 64 printable characters are expected")]
    Name(String),
    #[error("OpenSSL cannot make the certificate: {0}")]
    OpenSsl(#[from] ErrorStack),
}

/// An authority of its own.
///
/// # Errors
/// Names that do not fit.
pub fn authority(name: &str, days: u32, now: i64) -> Result<Pair, CertificateError> {
    let key = new_key()?;
    let mut builder = begin(name, &key, days, now)?;
    let issuer = subject(name)?;
    builder.set_issuer_name(&issuer)?;
    builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
    builder.append_extension(
        KeyUsage::new()
            .critical()
            .key_cert_sign()
            .crl_sign()
            .build()?,
    )?;
    let identifier = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(identifier)?;
    finish(builder, &key, &key)
}

/// A certificate for `name`, and for the further names and addresses, vouched for by `by`. It serves
/// both ends of a connection.
///
/// # Errors
/// An authority that is none, and names that do not fit.
pub fn issue(
    by: &Pair,
    name: &str,
    names: &[String],
    days: u32,
    now: i64,
) -> Result<Pair, CertificateError> {
    let issuer =
        X509::from_pem(by.certificate.as_bytes()).map_err(CertificateError::Certificate)?;
    let issuer_key = PKey::private_key_from_pem_callback(by.key.as_bytes(), |_| Ok(0))
        .map_err(CertificateError::Key)?;
    if !is_authority(&issuer) {
        return Err(CertificateError::NoAuthority);
    }
    if !issuer.public_key()?.public_eq(&issuer_key) {
        return Err(CertificateError::Mismatch);
    }
    let key = new_key()?;
    let mut builder = begin(name, &key, days, now)?;
    builder.set_issuer_name(issuer.subject_name())?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.append_extension(
        KeyUsage::new()
            .critical()
            .digital_signature()
            // For static RSA.
            .key_encipherment()
            .build()?,
    )?;
    builder.append_extension(
        ExtendedKeyUsage::new()
            .server_auth()
            .client_auth()
            .build()?,
    )?;
    let mut alternatives = SubjectAlternativeName::new();
    for name in std::iter::once(name).chain(names.iter().map(String::as_str)) {
        check_name(name)?;
        // Commas and colons would be read as further entries.
        match name.parse::<std::net::IpAddr>() {
            Ok(address) => alternatives.ip(&address.to_string()),
            Err(_) if name.contains([',', ':', ' ']) => {
                return Err(CertificateError::Name(name.to_owned()));
            }
            Err(_) => alternatives.dns(name),
        };
    }
    let context = builder.x509v3_context(Some(&issuer), None);
    let extensions = [
        alternatives.build(&context)?,
        SubjectKeyIdentifier::new().build(&context)?,
        AuthorityKeyIdentifier::new().keyid(true).build(&context)?,
    ];
    for extension in extensions {
        builder.append_extension(extension)?;
    }
    finish(builder, &key, &issuer_key)
}

/// What the certificates of a PEM say.
///
/// # Errors
/// What is no PEM with at least one.
pub fn describe(pem: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    let certificates = X509::stack_from_pem(pem).map_err(CertificateError::Certificate)?;
    if certificates.is_empty() {
        return Err(CertificateError::Certificate(ErrorStack::get()));
    }
    certificates
        .iter()
        .map(|certificate| {
            let names = certificate
                .subject_alt_names()
                .into_iter()
                .flatten()
                .filter_map(|name| {
                    name.dnsname()
                        .map(str::to_owned)
                        .or_else(|| address_text(name.ipaddress()?))
                })
                .collect();
            Ok(Certificate {
                subject: name_text(certificate.subject_name()),
                issuer: name_text(certificate.issuer_name()),
                names,
                is_authority: is_authority(certificate),
                not_before: seconds(certificate.not_before())?,
                not_after: seconds(certificate.not_after())?,
                serial: certificate
                    .serial_number()
                    .to_bn()?
                    .to_hex_str()?
                    .to_ascii_lowercase(),
                fingerprint: fingerprint(certificate),
            })
        })
        .collect()
}

fn new_key() -> Result<PKey<Private>, ErrorStack> {
    PKey::from_rsa(Rsa::generate(KEY_BITS)?)
}

fn check_name(name: &str) -> Result<(), CertificateError> {
    let fits = (1..=64).contains(&name.len()) && name.chars().all(|c| !c.is_control());
    fits.then_some(())
        .ok_or_else(|| CertificateError::Name(name.chars().take(80).collect()))
}

fn subject(name: &str) -> Result<openssl::x509::X509Name, CertificateError> {
    check_name(name)?;
    let mut builder = X509NameBuilder::new()?;
    builder.append_entry_by_text("O", "moat")?;
    builder.append_entry_by_text("CN", name)?;
    Ok(builder.build())
}

fn begin(
    name: &str,
    key: &PKey<Private>,
    days: u32,
    now: i64,
) -> Result<X509Builder, CertificateError> {
    let mut builder = X509::builder()?;
    // Version 3 is numbered 2.
    builder.set_version(2)?;
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let serial = serial.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    let subject = subject(name)?;
    builder.set_subject_name(&subject)?;
    builder.set_pubkey(key)?;
    let first = Asn1Time::from_unix(now.saturating_sub(EARLIER_SECONDS))?;
    let last = Asn1Time::from_unix(now.saturating_add(i64::from(days).saturating_mul(86_400)))?;
    builder.set_not_before(&first)?;
    builder.set_not_after(&last)?;
    Ok(builder)
}

fn finish(
    mut builder: X509Builder,
    key: &PKey<Private>,
    by: &PKey<Private>,
) -> Result<Pair, CertificateError> {
    builder.sign(by, MessageDigest::sha256())?;
    let text = |pem: Vec<u8>| String::from_utf8_lossy(&pem).into_owned();
    Ok(Pair {
        certificate: text(builder.build().to_pem()?),
        key: text(key.private_key_to_pem_pkcs8()?),
    })
}

/// A certificate that says of itself that it may sign others.
fn is_authority(certificate: &X509) -> bool {
    // The crate has no reader for basic constraints; in the text form they begin a line.
    certificate.to_text().is_ok_and(|text| {
        String::from_utf8_lossy(&text)
            .lines()
            .any(|line| line.trim_start().starts_with("CA:TRUE"))
    })
}

fn seconds(time: &Asn1TimeRef) -> Result<i64, ErrorStack> {
    let difference = Asn1Time::from_unix(0)?.diff(time)?;
    Ok(i64::from(difference.days)
        .saturating_mul(86_400)
        .saturating_add(i64::from(difference.secs)))
}

fn address_text(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::IpAddr::from(four).to_string());
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::IpAddr::from(sixteen).to_string())
}

pub(crate) fn fingerprint(certificate: &X509) -> String {
    certificate
        .digest(MessageDigest::sha256())
        .map(|digest| digest.iter().map(|byte| format!("{byte:02x}")).collect())
        .unwrap_or_default()
}

/// The common name, with what is beside it, on one line.
pub(crate) fn name_text(name: &X509NameRef) -> String {
    let entries: Vec<String> = name
        .entries()
        .map(|entry| {
            let kind = match entry.object().nid() {
                Nid::COMMONNAME => "CN",
                Nid::ORGANIZATIONNAME => "O",
                Nid::ORGANIZATIONALUNITNAME => "OU",
                other => other.short_name().unwrap_or("?"),
            };
            let value = entry.data().to_string().unwrap_or_default();
            format!("{kind}={}", value.escape_debug())
        })
        .collect();
    entries.join(", ")
}

impl std::fmt::Debug for Pair {
    /// Never shows the key.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Pair")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}
