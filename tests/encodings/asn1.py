"""A second opinion on DER: the modules of SGP.22, SGP.32 and the profile package as asn1Play carries them, compiled
and run by pycrate. No line of the modules stands here.

    asn1.py values MODULE [NAME=HEX ...]   one line a value of each type named on stdin: TYPE, what is varied, its DER
    asn1.py again                          reads lines MODULE TYPE HEX, writes the DER of what it has read, or an error

NAME=HEX gives the DER of a type from other modules (a certificate), which is taken as it is.
"""
import importlib.util
import pathlib
import sys

MODULES = {
    "RSPDefinitions": "GSMA/SGP_22/v2_5/python_gen/sgp22/sgp22.py",
    "SGP32Definitions": "GSMA/SGP_32/v1_2/python_gen/sgp32/sgp32.py",
    "PEDefinitions": "TCA/eUICC_Profile_Package/v3_3_1/python_gen/epp/epp.py",
}
LOADED = {}
# Lengths that the text of the specifications sets and the modules do not: signatures (5F37) and public keys (5F49)
# on a curve of 256 bits, and AES keys.
FIXED_BY_TAG = {(1, 55): 64, (1, 73): 65}
# INTEGERs of which the text gives negative values a meaning.
SIGNED = {("EimConfigurationData", "associationToken")}
FIXED = {"initialMacChainingValue": 16, "ppkEnc": 16, "ppkCmac": 16, "applicationPrivileges": 3}


def module(name, inner=None):
    """A module of asn1Play, read as a file: the package around it wants more than the modules do."""
    if name not in LOADED:
        package = pathlib.Path(importlib.util.find_spec("asn1_play").origin).parent
        path = package / "generated_code" / "asn1" / MODULES[name]
        spec = importlib.util.spec_from_file_location(f"generated_{name}", path)
        LOADED[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(LOADED[name])
    return getattr(LOADED[name], inner or name)


def types(of):
    """The types of a module by their ASN.1 names."""
    # Fields of types stand in the same list, after or before the types themselves, with small first letters.
    return {getattr(of, name)._name: getattr(of, name) for name in dir(of) if hasattr(getattr(of, name), "_mode")}


def referred(obj):
    """The name of the type that this is, where it has one."""
    reference = getattr(obj, "_typeref", None)
    called = getattr(reference, "called", None)
    return called[1] if called and isinstance(called, tuple) else None


def filled(length):
    return bytes((0x11 * (place + 1)) & 0xFF for place in range(length))


class Values:
    """Values of types: the least one, and others that differ from it in one place each."""

    def __init__(self, tops, given):
        self.tops = tops
        self.given = given
        self.walked = set()

    def bounds(self, constraint):
        """Least and greatest length or number that a constraint allows; None where it sets none."""
        root = getattr(constraint, "root", None) if constraint is not None else None
        if not root:
            return None, None
        low, high = root[0], root[-1]
        return getattr(low, "lb", low), getattr(high, "ub", high)

    def size(self, obj):
        return self.bounds(obj._const_sz)

    def least(self, obj):
        return next(iter(self.all(obj, 0)))[1]

    def all(self, obj, depth):
        """Pairs of what is varied and the value; the first is the least one."""
        given = self.given.get(referred(obj))
        if given is not None:
            yield "given", given
            return
        name = referred(obj)
        every = list(getattr(self, "of_" + obj.TYPE.lower().replace(" ", "_"))(obj, depth))
        if depth and len(every) > 2 and name is not None and (name in self.tops or name in self.walked):
            # It has lines of its own, or had them where it came first.
            every = [every[0], every[-1]]
        elif depth and obj.TYPE in ("SEQUENCE", "CHOICE", "SEQUENCE OF", "BIT STRING"):
            self.walked.add(name)
        yield from every

    def of_null(self, obj, depth):
        yield "", 0

    def of_boolean(self, obj, depth):
        yield "true", True
        yield "false", False

    def of_integer(self, obj, depth):
        if obj._cont:
            for name, number in obj._cont.items():
                yield name, number
            return
        low, high = self.bounds(obj._const_val)
        numbers = [1, 0, 127, 128, 255, 256, 0x7FFF, 0x8000, 0x01020304] if depth < 2 else [1, 0, 128]
        if low is not None:
            numbers.append(low)
        if high is not None:
            numbers.append(high)
        if (parent := getattr(obj, "_parent", None)) and (parent._name, obj._name) in SIGNED:
            numbers += [-1, -128, -129]
        for number in dict.fromkeys(numbers):
            if (low is None or number >= low) and (high is None or number <= high):
                yield str(number), number

    def of_enumerated(self, obj, depth):
        for name in obj._cont:
            yield name, name

    def of_bit_string(self, obj, depth):
        if obj._cont:
            low, _ = self.size(obj)
            count = max(obj._cont.values()) + 1
            for name, place in obj._cont.items():
                yield name, (1 << (max(place + 1, low or 0) - 1 - place), max(place + 1, low or 0))
            yield "no bit", (0, low or 0)
            yield "all bits", ((1 << count) - 1, count)
            return
        low, high = self.size(obj)
        low = 8 if low is None else low
        yield f"{low} bits", ((1 << low) - 1, low)

    def of_octet_string(self, obj, depth):
        if getattr(obj, "_const_cont", None) is not None:
            yield "", filled(4)
            return
        low, high = self.size(obj)
        fixed = FIXED.get(obj._name) or (FIXED_BY_TAG.get(obj._tagc[-1]) if obj._tagc else None)
        if fixed:
            yield "", filled(fixed)
            return
        lengths = [low if low is not None else 4]
        if high is not None and high <= 1024:
            lengths.append(high)
        if low is None and high is None:
            lengths += [0, 128, 256] if depth < 2 else [0]
        for length in dict.fromkeys(lengths):
            yield f"{length} bytes", filled(length)

    def text(self, obj, wide):
        low, high = self.size(obj)
        yield "text", "a" * max(low or 0, 3)
        if wide:
            yield "wide text", "é" * max(low or 0, 3)
        if not low:
            yield "empty", ""
        if high is not None and high <= 1024:
            yield f"{high} characters", "z" * high

    def of_utf8string(self, obj, depth):
        return self.text(obj, True)

    def of_ia5string(self, obj, depth):
        return self.text(obj, False)

    of_visiblestring = of_printablestring = of_ia5string

    def of_object_identifier(self, obj, depth):
        yield "2.23.146.1.2.1.0", (2, 23, 146, 1, 2, 1, 0)
        yield "1.3.6.1.4.1.99999.1", (1, 3, 6, 1, 4, 1, 99999, 1)

    def of_utctime(self, obj, depth):
        yield "", ("26", "11", "27", "12", "00", "00", "Z")

    def of_generalizedtime(self, obj, depth):
        yield "", ("2026", "11", "27", "12", "00", "00", None, "Z")

    def of_open_type(self, obj, depth):
        # An INTEGER stands for whatever may stand here.
        yield "", ("_unk_004", bytes.fromhex("020105"))

    of_any = of_open_type

    def of_sequence_of(self, obj, depth):
        low, high = self.size(obj)
        one = list(self.all(obj._cont, depth + 1))
        first = one[0][1]
        count = max(low or 0, 1)
        yield "one" if count == 1 else f"{count} elements", [first] * count
        if not low:
            yield "empty", []
        if high is None or high > count:
            yield "one more", [first] * (count + 1)
        for what, value in one[1:]:
            yield what, [value] + [first] * (count - 1)

    of_set_of = of_sequence_of

    def of_choice(self, obj, depth):
        for name, inner in obj._cont.items():
            for what, value in self.all(inner, depth + 1):
                yield f"{name} {what}".strip(), (name, value)

    def of_sequence(self, obj, depth):
        optional, everything, base = [], {}, {}
        variants = {}
        for name, inner in obj._cont.items():
            variants[name] = list(self.all(inner, depth + 1))
            everything[name] = variants[name][0][1]
            if name in (obj._root_mand or []):
                base[name] = variants[name][0][1]
            else:
                optional.append(name)
        yield "least", dict(base)
        for name, inner in obj._cont.items():
            default = getattr(inner, "_def", None)
            if name in optional and default is not None:
                yield f"{name} as by default", {**base, name: default}
            for place, (what, value) in enumerate(variants[name]):
                if name in base and place == 0:
                    continue
                yield f"{name} {what}".strip(), {**base, name: value}
        for name in optional:
            if len(optional) > 1:
                yield f"all but {name}", {key: value for key, value in everything.items() if key != name}
        if optional:
            yield "all fields", everything

    of_set = of_sequence


def values(name, parameters):
    pkix = types(module(name, "PKIX1Explicit88")) if parameters else {}
    given = {}
    for one in parameters:
        known_as, text = one.split("=")
        pkix[known_as].from_der(bytes.fromhex(text))
        given[known_as] = pkix[known_as].get_val()
    wanted = sys.stdin.read().split()
    known = types(module(name))
    maker = Values(set(wanted), given)
    for wish in wanted:
        obj = known.get(wish)
        if obj is None:
            print(f"{wish}\t!\tthe module has no such type")
            continue
        seen = set()
        for what, value in list(maker.all(obj, 0)):
            try:
                obj.set_val(value)
                encoded = obj.to_der().hex()
            except Exception as error:
                print(f"{wish}\t!{what}\t{type(error).__name__}: {' '.join(str(error).split())[:200]}")
                continue
            if encoded not in seen:
                seen.add(encoded)
                print(f"{wish}\t{what}\t{encoded}")


def again():
    known = {}
    for line in sys.stdin:
        name, wish, text = line.split()
        if name not in known:
            known[name] = types(module(name))
        try:
            obj = known[name][wish]
            obj.from_der(bytes.fromhex(text))
            print(obj.to_der().hex())
        except Exception as error:
            print(f"! {type(error).__name__}: {' '.join(str(error).split())[:200]}")


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    if verb == "again":
        again()
    else:
        values(rest[0], rest[1:])
