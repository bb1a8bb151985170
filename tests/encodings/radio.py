"""A second opinion on S1AP (TS 36.413, aligned PER) and NAS (TS 24.301): pycrate reads each message and writes it again.

Reads lines `s1ap HEX`, `nas-up HEX` and `nas-down HEX`; writes the bytes of what it has read and its name, or a
complaint behind `!`.
"""
import sys

from pycrate_asn1dir import S1AP
from pycrate_mobile.NAS import parse_NASLTE_MO, parse_NASLTE_MT

PDU = S1AP.S1AP_PDU_Descriptions.S1AP_PDU


def s1ap(text):
    PDU.from_aper(bytes.fromhex(text))
    kind, value = PDU.get_val()
    return PDU.to_aper().hex(), f"{kind} {value['procedureCode']}"


def nas(parse):
    def again(text):
        raw, head = bytes.fromhex(text), b""
        # Integrity protected, and ciphered with the null algorithm: six bytes stand before the message itself.
        if raw[0] & 0x0F == 7 and raw[0] >> 4 in (1, 2, 3, 4):
            head, raw = raw[:6], raw[6:]
        message, error = parse(raw)
        if error:
            return f"! error {error}", ""
        return (head + message.to_bytes()).hex(), message._name
    return again


READERS = {"s1ap": s1ap, "nas-up": nas(parse_NASLTE_MO), "nas-down": nas(parse_NASLTE_MT)}

if __name__ == "__main__":
    for line in sys.stdin:
        kind, text = line.split()
        try:
            print(*READERS[kind](text))
        except Exception as error:
            print(f"! {type(error).__name__}: {' '.join(str(error).split())[:200]}")
