//! SUIT envelopes: any bytes are one or refused, and what was read is written as it was. Signatures are believed, so that
//! the fuzzer comes to the manifest.

use cellbed::wire::cbor::Value;
use cellbed::wire::suit::{Envelope, digest_of};

/// The first byte chooses: an envelope as it is, or a manifest under a digest that is right.
pub fn run(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let envelope = match kind % 2 {
        0 => bytes.to_vec(),
        _ => around(bytes),
    };
    let Ok(read) = Envelope::decode(&envelope) else { return };
    assert!(read.encode() == envelope);
    let Ok(manifest) = read.open(|_| true) else { return };
    let again = Envelope::unsigned(&manifest);
    assert!(again.digest() == read.digest());
    assert!(manifest.encode().len() <= envelope.len());
}

/// An envelope around `manifest`, with a signature that nobody has made.
fn around(manifest: &[u8]) -> Vec<u8> {
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    let digest = Value::Array(vec![Value::int(-16), bytes(&digest_of(manifest))]);
    let headers = Value::Map(vec![(Value::int(1), Value::int(-9))]).encode();
    let parts = vec![bytes(&headers), Value::Map(Vec::new()), Value::Null, bytes(&[7; 64])];
    let signature = Value::Tag(18, Box::new(Value::Array(parts)));
    let wrapper = Value::Array(vec![bytes(&digest.encode()), bytes(&signature.encode())]);
    let pairs = vec![(Value::int(2), bytes(&wrapper.encode())), (Value::int(3), bytes(manifest))];
    Value::Tag(107, Box::new(Value::Map(pairs))).encode()
}
