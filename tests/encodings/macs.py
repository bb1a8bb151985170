"""A second opinion on the security of NAS (TS 33.401), by CryptoMobile: messages as they are protected, with the keys of
both directions. One line a message: EIA, EEA, direction, COUNT, plain message, protected message.

    macs.py CK IK SERVING-NETWORK SQN-XOR-AK UPLINK DOWNLINK

all hexadecimal, the plain messages of a direction with commas between them.
"""
import sys

from CryptoMobile import CM
from CryptoMobile.conv import conv_401_A2, conv_401_A7

# In turn, so that a receiver with one context takes them all; the second octet of COUNT grows twice.
COUNTS = [0, 1, 2, 100, 200, 300, 301, 500, 520]
# Security header type 2 and the discriminator of mobility management; 1 where nothing is ciphered.
INTEGRITY, CIPHERED = 0x17, 0x27


def main(ck, ik, network, sqn_ak, *directions):
    kasme = conv_401_A2(ck, ik, network, sqn_ak)
    for eia, code in ((1, CM.EIA1), (2, CM.EIA2), (3, CM.EIA3)):
        for eea, cipher in ((0, None), (1, CM.EEA1), (2, CM.EEA2), (3, CM.EEA3)):
            enc, integrity = (conv_401_A7(kasme, kind, number)[16:] for kind, number in ((1, eea), (2, eia)))
            for direction, plains in enumerate(directions):
                for place, count in enumerate(COUNTS):
                    plain = plains[place % len(plains)]
                    inside = cipher(enc, count, 0, direction, plain) if cipher else plain
                    covered = bytes([count & 0xFF]) + inside
                    head = CIPHERED if cipher else INTEGRITY
                    whole = bytes([head]) + code(integrity, count, 0, direction, covered) + covered
                    print("\t".join(map(str, (eia, eea, direction, count, plain.hex(), whole.hex()))))


if __name__ == "__main__":
    *keys, uplink, downlink = sys.argv[1:]
    plains = [list(map(bytes.fromhex, way.split(","))) for way in (uplink, downlink)]
    main(*map(bytes.fromhex, keys), *plains)
