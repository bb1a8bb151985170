"""A second opinion on CBOR (cbor2), COSE (pycose), and on certificates, requests and lists (cryptography, asn1crypto).

    signed.py cbor           one line a value: its kind, what is varied, its encoding
    signed.py cose           reads lines of PUBLIC (X || Y) and a COSE_Sign1; writes the payload of what verifies, or an
                             error behind !
    signed.py sign           reads lines of a private key and a payload; writes a COSE_Sign1 that pycose has made
    signed.py x509           reads lines of a kind (certificate, list, request, chain) and DER; writes the DER of what
                             it has read, then each extension by its number and the DER of its value
"""
import sys

import cbor2

# Numbers around the places where the head of a data item grows (RFC 8949 clause 3).
EDGES = [0, 1, 23, 24, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1]


class Sorted(dict):
    """A map in the order of RFC 8949 clause 4.2.1, by the bytes of the keys; cbor2 knows the older one by length."""

    def __init__(self, pairs):
        super().__init__(sorted(pairs, key=lambda pair: cbor2.dumps(pair[0])))


def values():
    for number in EDGES:
        yield "Unsigned", str(number), number
        yield "Negative", str(-1 - number), -1 - number
    for length in [0, 1, 23, 24, 255, 256]:
        yield "Bytes", str(length), bytes(place & 0xFF for place in range(length))
        yield "Text", str(length), "ab\u00e9\u20ac"[: min(length, 4)] + "z" * max(length - 4, 0)
        yield "Array", str(length), list(range(length))
        yield "Map", str(length), Sorted((number, bytes([number & 0xFF])) for number in range(length))
    keys = [10, 100, -1, -25, "z", "aa", b"\x00", b"", False, True, None, "", 2**32]
    yield "Map", "keys of all kinds", Sorted((key, place) for place, key in enumerate(keys))
    for tag in [0, 18, 24, 61, 107, 65_536, 2**40]:
        yield "Tag", str(tag), cbor2.CBORTag(tag, [b"inside"])
    yield "Bool", "true", True
    yield "Bool", "false", False
    yield "Null", "", None
    yield "Array", "in each other", [[[[1, "two"], {"three": [b"\x04"]}]], []]


def cose():
    from pycose.keys import EC2Key
    from pycose.keys.curves import P256
    from pycose.messages import Sign1Message

    for line in sys.stdin:
        public, message = map(bytes.fromhex, line.split())
        try:
            read = Sign1Message.decode(message)
            read.key = EC2Key(crv=P256, x=public[:32], y=public[32:])
            print(read.payload.hex() if read.verify_signature() else "! the signature is wrong")
        except Exception as error:
            print(f"! {type(error).__name__}: {' '.join(str(error).split())[:200]}")


def sign():
    from pycose.algorithms import Es256
    from pycose.headers import Algorithm
    from pycose.keys import EC2Key
    from pycose.keys.curves import P256
    from pycose.messages import Sign1Message

    for line in sys.stdin:
        private, payload = map(bytes.fromhex, line.split())
        message = Sign1Message(phdr={Algorithm: Es256}, payload=payload)
        message.key = EC2Key(crv=P256, d=private)
        print(message.encode().hex())


def x509():
    from asn1crypto import cms, crl, csr
    from asn1crypto import x509 as asn1
    from cryptography import x509 as other

    kinds = {
        "certificate": (asn1.Certificate, other.load_der_x509_certificate),
        "list": (crl.CertificateList, other.load_der_x509_crl),
        "request": (csr.CertificationRequest, other.load_der_x509_csr),
        "chain": (cms.ContentInfo, None),
    }
    for line in sys.stdin:
        kind, text = line.split()
        form, load = kinds[kind]
        try:
            der = bytes.fromhex(text)
            # Every value is read down to its last part, and written anew.
            read = form.load(der, strict=True)
            read.native
            told = [read.dump(force=True).hex()]
            for extension in load(der).extensions if load else []:
                told.append(f"{extension.oid.dotted_string}={extension.value.public_bytes().hex()}")
            print(" ".join(told))
        except Exception as error:
            print(f"! {type(error).__name__}: {' '.join(str(error).split())[:200]}")


if __name__ == "__main__":
    verb = sys.argv[1]
    if verb == "cbor":
        for kind, what, value in values():
            print(f"{kind}\t{what}\t{cbor2.dumps(value).hex()}")
    else:
        {"cose": cose, "sign": sign, "x509": x509}[verb]()
