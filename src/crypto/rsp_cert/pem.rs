//! PEM (RFC 7468) around keys, certificates and revocation lists.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::Decode as _;
use x509_cert::Certificate;
use zeroize::Zeroizing;

const LINE: usize = 64;

/// The most certificates that one file may hold: the roots of a browser are some 150.
const CERTIFICATES_MAX: usize = 1000;

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

/// What is wrong with DER, and where.
pub(super) fn told(error: der::Error) -> String {
    let at = error.position().map(|at| format!(" at byte {at}")).unwrap_or_default();
    match error.kind() {
        der::ErrorKind::Incomplete { .. } => format!("it ends too early{at}"),
        der::ErrorKind::TrailingData { .. } => format!("something stands behind its end{at}"),
        der::ErrorKind::TagUnexpected { actual, .. } => format!("{actual} is not what stands there{at}"),
        _ => format!("what stands there is not as X.509 has it{at}"),
    }
}

/// Every certificate of a file: one in DER, or any number in PEM with text between them, which is skipped (RFC 7468
/// clauses 2 and 5.2). Each of them is X.509; whether it can be used for anything is not looked at.
///
/// # Errors
/// What is wrong, and with which certificate of the file.
pub fn certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let is_x509 = |der: &[u8]| Certificate::from_der(der).is_ok();
    let text = String::from_utf8_lossy(bytes);
    let begin = format!("-----BEGIN {CERTIFICATE}-----");
    if !text.contains("-----BEGIN ") {
        return match is_x509(bytes) {
            true => Ok(vec![bytes.to_vec()]),
            false => Err("it is no certificate, neither in PEM nor in DER".to_owned()),
        };
    }
    let mut found = Vec::new();
    let mut rest = &*text;
    while let Some(at) = rest.find(&begin) {
        let number = found.len() + 1;
        if number > CERTIFICATES_MAX {
            return Err(format!("it holds more than {CERTIFICATES_MAX} certificates"));
        }
        rest = &rest[at..];
        // A block that does not end before the next begins has lost its end.
        let own = rest[begin.len()..].find("-----BEGIN ").map_or(rest, |next| &rest[..begin.len() + next]);
        let der = block(own, CERTIFICATE).map_err(|cause| format!("certificate {number} of it: {cause}"))?;
        match der.filter(|der| is_x509(der)) {
            Some(der) => found.push(der.to_vec()),
            None => return Err(format!("certificate {number} of it is no X.509 certificate")),
        }
        rest = &rest[begin.len()..];
    }
    match found.is_empty() {
        true => Err("the PEM file holds no certificate".to_owned()),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_hold_several_certificates_and_text() {
        let der = |text: &str| block(text, CERTIFICATE).unwrap().unwrap().to_vec();
        let first = der(include_str!("../../../tests/vectors/certificates/first.pem"));
        let second = der(include_str!("../../../tests/vectors/certificates/second.pem"));
        let pem = |der: &[u8]| write(CERTIFICATE, der).to_string();
        let bundle = format!("# Issuer: a\n{}\nsubject=/CN=é\n{}tail\n", pem(&first), pem(&second));
        assert_eq!(certificates(bundle.as_bytes()), Ok(vec![first.clone(), second.clone()]));
        assert_eq!(certificates(&first), Ok(vec![first.clone()]));
        assert_eq!(certificates(pem(&first).as_bytes()), Ok(vec![first.clone()]));
        let latin = [b"# gr\xfc\xdfe\n".as_slice(), pem(&first).as_bytes()].concat();
        assert_eq!(certificates(&latin), Ok(vec![first.clone()]));
        let broken = bundle.replacen(&pem(&second)[40..60], "", 1);
        assert!(certificates(broken.as_bytes()).unwrap_err().starts_with("certificate 2 of it"), "{broken}");
        let cut = pem(&first).replace("-----END CERTIFICATE-----", "") + &pem(&second);
        assert_eq!(
            certificates(cut.as_bytes()),
            Err("certificate 1 of it: the PEM block has no end".to_owned())
        );
        for wrong in [b"".as_slice(), b"text", &first[1..], b"-----BEGIN PRIVATE KEY-----\n"] {
            assert!(certificates(wrong).is_err());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_file_is_read_or_refused(bytes: Vec<u8>) {
            let _ = certificates(&bytes);
        }
    }
}
