"""Reads a SUIT envelope with cbor2 and cryptography: checks digest and signature (ESP256), and prints what the manifest says."""

import hashlib
import sys

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

path, public = sys.argv[1:]
with open(path, "rb") as file:
    envelope = cbor2.loads(file.read())
assert envelope.tag == 107, envelope.tag
digest, block = cbor2.loads(envelope.value[2])
manifest = envelope.value[3]
algorithm, octets = cbor2.loads(digest)
assert algorithm == -16
assert octets == hashlib.sha256(cbor2.dumps(manifest)).digest(), "the digest is another one"
sign1 = cbor2.loads(block)
assert sign1.tag == 18
protected, unprotected, payload, signature = sign1.value
assert cbor2.loads(protected) == {1: -9} and unprotected == {} and payload is None
signed = cbor2.dumps(["Signature1", protected, b"", digest])
point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + bytes.fromhex(public))
r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
point.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
manifest = cbor2.loads(manifest)
common = cbor2.loads(manifest[3])
install = cbor2.loads(manifest[20])
print("version", manifest[1], "sequence", manifest[2], "components", common[2])
print("shared", cbor2.loads(common[4])[2:], "install", install[2:], "uri", install[1][21])
