//! PEM (RFC 7468) around keys, certificates and revocation lists.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const LINE: usize = 64;

/// What stands around a certificate.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// What stands around a revocation list.
pub const CRL: &str = "X509 CRL";

/// DER as a PEM block with this label.
pub fn write(label: &str, der: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(format!("-----BEGIN {label}-----\n"));
    for line in base64.as_bytes().chunks(LINE) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// The DER of the first block with this label; `None` where there is none.
///
/// # Errors
/// What is wrong with the block: it has no end, or is not base64.
pub fn block(text: &str, label: &str) -> Result<Option<Zeroizing<Vec<u8>>>, &'static str> {
    let Some((_, rest)) = text.split_once(&format!("-----BEGIN {label}-----")) else { return Ok(None) };
    let (body, _) = rest.split_once(&format!("-----END {label}-----")).ok_or("the PEM block has no end")?;
    let body: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
    STANDARD.decode(body.as_bytes()).map(|der| Some(der.into())).map_err(|_| "the PEM block is not base64")
}

/// The DER in a file that holds either a block with this label or DER itself.
///
/// # Errors
/// As [`block`], and where a PEM file has no such block.
pub fn der_of(bytes: &[u8], label: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    match std::str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN ")) {
        Some(text) => block(text, label)?.ok_or("the PEM file holds something else"),
        None => Ok(Zeroizing::new(bytes.to_vec())),
    }
}
