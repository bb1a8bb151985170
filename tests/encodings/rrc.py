"""A second opinion on RRC (TS 36.331, unaligned PER): pycrate makes messages, and reads messages and writes them again.

    rrc.py values     reads lines CHANNEL PATH, where PATH leads to a message in the types of the channel; writes one line a
                      value: CHANNEL, what is varied, its octets
    rrc.py again      reads lines CHANNEL HEX, writes the octets of what it has read and its name, or a complaint behind `!`
"""
import sys

from pycrate_asn1dir import RRCLTE

LTE, NB = RRCLTE.EUTRA_RRC_Definitions, RRCLTE.NBIOT_RRC_Definitions
CHANNELS = {
    "BCCH-BCH": LTE.BCCH_BCH_Message,
    "BCCH-DL-SCH": LTE.BCCH_DL_SCH_Message,
    "PCCH": LTE.PCCH_Message,
    "UL-CCCH": LTE.UL_CCCH_Message,
    "DL-CCCH": LTE.DL_CCCH_Message,
    "UL-DCCH": LTE.UL_DCCH_Message,
    "DL-DCCH": LTE.DL_DCCH_Message,
    "BCCH-BCH-NB": NB.BCCH_BCH_Message_NB,
    "BCCH-DL-SCH-NB": NB.BCCH_DL_SCH_Message_NB,
    "PCCH-NB": NB.PCCH_Message_NB,
    "UL-CCCH-NB": NB.UL_CCCH_Message_NB,
    "DL-CCCH-NB": NB.DL_CCCH_Message_NB,
    "UL-DCCH-NB": NB.UL_DCCH_Message_NB,
    "DL-DCCH-NB": NB.DL_DCCH_Message_NB,
}
# A field of later releases at the end of a message is varied this deep; one behind an extension marker is there or not.
CHAIN = "nonCriticalExtension"
CHAIN_DEPTH = {"RRCConnectionRelease-r8-IEs": 5, "RRCConnectionReject-r8-IEs": 4, "RRCConnectionSetupComplete-r8-IEs": 7}
# What this program does not speak is there once.
CLOSED = {
    *(f"sib{number}" for number in range(4, 12)), "sps-Config", "rohc", "speedStatePars", "preRegistrationInfoHRPD", "geran",
    "cdma2000-HRPD", "cdma2000-1xRTT", "sib4-r13", "sib5-r13", "sib14-r13", "sib16-r13", "measObjectUTRA", "measObjectGERAN", "measObjectCDMA2000", "reportConfigInterRAT",
    "measResultListUTRA", "measResultListGERAN", "measResultsCDMA2000", "quantityConfigUTRA", "quantityConfigGERAN",
    "quantityConfigCDMA2000", "freqPriorityListGERAN", "freqPriorityListUTRA-FDD", "freqPriorityListUTRA-TDD",
    "bandClassPriorityListHRPD", "bandClassPriorityList1XRTT", "cellInfoList-r9", "antennaInfoDedicatedPCell-r13", "interRAT",
}
# Types that have had their lines.
WALKED = set()


def bounds(constraint):
    root = getattr(constraint, "root", None) if constraint is not None else None
    if not root:
        return None, None
    low, high = root[0], root[-1]
    return getattr(low, "lb", low), getattr(high, "ub", high)


def referred(obj):
    called = getattr(getattr(obj, "_typeref", None), "called", None)
    return called[1] if called and isinstance(called, tuple) else None


def filled(count):
    return int("10110" * count, 2) >> (5 * count - count) if count else 0


def least(obj):
    kind = obj.TYPE
    if kind == "NULL":
        return 0
    if kind == "BOOLEAN":
        return False
    if kind == "INTEGER":
        return bounds(obj._const_val)[0]
    if kind == "ENUMERATED":
        return obj._root[0]
    if kind == "BIT STRING":
        low = bounds(obj._const_sz)[0]
        return (0, low)
    if kind == "OCTET STRING":
        return bytes(range(1, 1 + (bounds(obj._const_sz)[0] or 2)))
    if kind == "SEQUENCE OF":
        return [least(obj._cont)] * max(1, bounds(obj._const_sz)[0] or 0)
    if kind == "CHOICE":
        name = obj._root[0]
        return name, least(obj._cont[name])
    if kind == "SEQUENCE":
        return {name: least(obj._cont[name]) for name in obj._root_mand}
    raise ValueError(kind)


def chain(obj, depth):
    """Fields of later releases: each release with its first optional field, down to the last."""
    try:
        base = least(obj)
        yield f"to {referred(obj) or 'the end'}", base
        for name in [name for name in obj._root if name not in base and name != CHAIN][:1]:
            yield f"to {referred(obj)} with {name}", {**base, name: least(obj._cont[name])}
    except ValueError:
        return
    inner = obj._cont[CHAIN] if CHAIN in obj._cont else None
    if inner is not None and inner.TYPE == "SEQUENCE":
        for what, value in chain(inner, depth + 1):
            yield what, {**base, CHAIN: value}


def varied(obj, chained):
    """Pairs of what is varied and the value; none of the least value."""
    kind, name = obj.TYPE, referred(obj)
    if kind in ("SEQUENCE", "CHOICE", "SEQUENCE OF") and name is not None:
        if name in WALKED:
            # It has lines of its own where it came first: one is enough to see that it stands here.
            yield from list(plain(obj, chained, True))[-1:]
            return
        WALKED.add(name)
    yield from plain(obj, chained, False)


def plain(obj, chained, shallow):
    kind = obj.TYPE
    inner = (lambda one, depth: []) if shallow else varied
    if kind == "BOOLEAN":
        yield "true", True
    elif kind == "INTEGER":
        low, high = bounds(obj._const_val)
        for number in dict.fromkeys([low + (high - low) // 2, high]):
            if number != low:
                yield str(number), number
    elif kind == "ENUMERATED":
        for one in obj._root[1:] if len(obj._root) <= 8 else [obj._root[1], obj._root[-1]]:
            yield one, one
        for one in (obj._ext or [])[:1]:
            yield f"addition {one}", one
    elif kind == "BIT STRING":
        low, _ = bounds(obj._const_sz)
        yield "bits", (filled(low), low)
    elif kind == "OCTET STRING":
        if bounds(obj._const_sz)[0] is None:
            for length in (0, 1, 127, 128, 300):
                yield f"{length} octets", bytes(place & 0xFF for place in range(length))
    elif kind == "SEQUENCE OF":
        low, high = bounds(obj._const_sz)
        first = least(obj._cont)
        if low == 0:
            yield "empty", []
        if low != high:
            yield f"{max(1, low) + 1} elements", [first] * (max(1, low) + 1)
            yield f"{min(high, 32)} elements", [first] * high
        for what, value in inner(obj._cont, chained):
            yield f"[{what}]", [value] + [first] * (max(1, low) - 1)
    elif kind == "CHOICE":
        for name in obj._root:
            if name != obj._root[0]:
                yield name, (name, least(obj._cont[name]))
            for what, value in [] if name in CLOSED else inner(obj._cont[name], chained):
                yield f"{name}.{what}", (name, value)
        for name in (obj._ext or [])[:1]:
            yield f"addition {name}", (name, least(obj._cont[name]))
    elif kind == "SEQUENCE":
        base = least(obj)
        everything = dict(base)
        spoken = [name for name in obj._root if name not in CLOSED]
        for name in obj._root:
            one = obj._cont[name]
            if name == CHAIN:
                if one.TYPE == "SEQUENCE" and chained > 0:
                    yield name, {**base, name: least(one)}
                    for what, value in varied(one, chained - 1):
                        yield f"{name}.{what}", {**base, name: value}
                elif one.TYPE == "SEQUENCE":
                    for what, value in chain(one, 0):
                        yield f"{name} {what}", {**base, name: value}
                continue
            if name not in base:
                yield name, {**base, name: least(one)}
                if name in spoken:
                    everything[name] = least(one)
            for what, value in [] if name in CLOSED else inner(one, chained):
                yield f"{name}.{what}", {**base, name: value}
        if len(everything) > len(base) + 1:
            yield "all fields", everything
        groups = obj._ext or []
        for name in dict.fromkeys(groups[:1] + groups[-1:]):
            try:
                yield f"addition {name}", {**base, name: least(obj._cont[name])}
            except ValueError:
                pass


def write(channel, what, value):
    top = CHANNELS[channel]
    try:
        top.set_val(value)
        print(f"{channel}\t{what}\t{top.to_uper().hex()}")
    except Exception as error:
        print(f"{channel}\t!{what}\t{type(error).__name__}: {' '.join(str(error).split())[:200]}")


def values():
    for line in sys.stdin:
        channel, *path = line.split()
        obj = CHANNELS[channel]._cont["message"]
        steps, transaction = [], None
        for name in path:
            if obj.TYPE == "SEQUENCE" and "rrc-TransactionIdentifier" in obj._cont:
                transaction = len(steps)
            obj = obj._cont[name]
            steps.append(name)
        message = next((name for name in reversed(path) if name not in ("c1", "c2") and "r8" not in name
                        and name != "criticalExtensions"), "message")
        for what, value in [("least", least(obj)), *varied(obj, CHAIN_DEPTH.get(referred(obj), 0))]:
            for place in range(len(steps) - 1, -1, -1):
                name = steps[place]
                if name == "criticalExtensions":
                    value = {name: value}
                    if place == transaction:
                        value["rrc-TransactionIdentifier"] = 2
                else:
                    value = (name, value)
            write(channel, f"{message} {what}", {"message": value})


def again():
    for line in sys.stdin:
        channel, text = line.split()
        try:
            top = CHANNELS[channel]
            top.from_uper(bytes.fromhex(text))
            value = top.get_val()["message"]
            name = channel
            while isinstance(value, tuple):
                name, value = value
            print(top.to_uper().hex(), name)
        except Exception as error:
            print(f"! {type(error).__name__}: {' '.join(str(error).split())[:200]}")


if __name__ == "__main__":
    {"values": values, "again": again}[sys.argv[1]]()
