"""The part of UCUM that laboratories write: a unit is read as prefix, atom and exponent, and compared by its dimensions."""

import re
from fractions import Fraction

PREFIXES = {"k": 3, "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12}
# Atom: whether it takes a prefix, factor, exponents of its dimensions. [IU] is the enzyme unit here; mm[Hg] is counted in
# kPa by the factor of docs/features.md, and a year has 365.25 days.
ATOMS = {
    "g": (1, "1", {"mass": 1}), "mol": (1, "1", {"amount": 1}), "m": (1, "1", {"length": 1}),
    "L": (1, "1/1000", {"length": 3}), "l": (1, "1/1000", {"length": 3}),
    "s": (1, "1", {"time": 1}), "min": (0, "60", {"time": 1}), "h": (0, "3600", {"time": 1}),
    "d": (0, "86400", {"time": 1}), "wk": (0, "604800", {"time": 1}), "mo": (0, "2629800", {"time": 1}),
    "a": (0, "31557600", {"time": 1}), "Hz": (1, "1", {"time": -1}),
    "U": (1, "1", {"enzyme": 1}), "[IU]": (1, "1", {"enzyme": 1}), "kat": (1, "60000000", {"enzyme": 1}),
    "Pa": (1, "7.50062/1000", {"pressure": 1}), "mm[Hg]": (0, "1", {"pressure": 1}),
    "%": (0, "1/100", {}), "10*": (0, "10", {}), "10^": (0, "10", {}), "1": (0, "1", {}),
    "[lb_av]": (0, "453.59237", {"mass": 1}), "[in_i]": (0, "0.0254", {"length": 1}),
}
TEMPERATURES = {"Cel": (Fraction(1), Fraction(0)), "K": (Fraction(1), Fraction("-273.15")),
                "[degF]": (Fraction(5, 9), Fraction(-160, 9))}
# Not UCUM, and of one meaning only (docs/features.md).
SPELLINGS = {
    "mmHg": "mm[Hg]", "10^3/uL": "10*3/uL", "K/uL": "10*3/uL", "10^9/L": "10*9/L", "G/L": "10*9/L", "cells/uL": "/uL",
    "IU/L": "U/L", "mcg/L": "ug/L", "percent": "%", "°C": "Cel", "°F": "[degF]", "kg/m^2": "kg/m2", "lb": "[lb_av]",
    "in": "[in_i]", "cc": "mL", "cm3": "mL", "bpm": "/min", "beats/min": "/min", "breaths/min": "/min", "years": "a",
    "year": "a", "months": "mo", "days": "d", "mm3": "mm3", "/mm3": "/uL",
}


def number(written):
    over, _, under = written.partition("/")
    return Fraction(over) / Fraction(under or "1")


def parsed(unit):
    """Factor and dimensions of a unit without annotations, or `None`."""
    factor, dimensions = Fraction(1), {}
    for at, part in enumerate(unit.split("/")):
        sign = -1 if at else 1
        for atom in filter(None, part.split(".")):
            found = re.fullmatch(r"(10\*|10\^|1|[^\d]+?)(-?\d+)?", atom)
            known = found and simple(found[1])
            if not known:
                return None
            power = sign * int(found[2] or 1)
            factor *= known[0] ** power
            for name, exponent in known[1].items():
                dimensions[name] = dimensions.get(name, 0) + exponent * power
    return factor, {name: exponent for name, exponent in dimensions.items() if exponent}


def simple(name):
    if name in ATOMS:
        return number(ATOMS[name][1]), ATOMS[name][2]
    prefix, rest = name[:1], name[1:]
    if prefix in PREFIXES and rest in ATOMS and ATOMS[rest][0]:
        return Fraction(10) ** PREFIXES[prefix] * number(ATOMS[rest][1]), ATOMS[rest][2]
    return None


def conversion(unit, target, umol_per_mg=None):
    """(factor, offset) from a unit to another, or `None` where they do not fit."""
    if unit in TEMPERATURES and target in TEMPERATURES:
        (factor, offset), (own, own_offset) = TEMPERATURES[unit], TEMPERATURES[target]
        return float(factor / own), float((offset - own_offset) / own)
    one, other = parsed(unit), parsed(target)
    if one is None or other is None or not unit or not target:
        return None
    if one[1] == other[1]:
        return float(one[0] / other[0]), 0.0
    if umol_per_mg and one[1] == {"amount": 1, "length": -3} and other[1] == {"mass": 1, "length": -3}:
        grams = Fraction(1, 1000) / (Fraction(str(umol_per_mg)) / 10**6)  # of a mole
        return float(one[0] * grams / other[0]), 0.0
    return None


def fit(quantity, measurement, contradiction=None):
    """The conversion of a quantity to the unit of a measurement: by its UCUM code, else by its unit."""
    def written(key):
        found = quantity.get(key)
        return found.strip() if isinstance(found, str) and found.strip() else None
    ucum = quantity.get("system") in (None, "http://unitsofmeasure.org")
    unit = (written("code") if ucum else None) or written("unit")
    plain = measurement.get("plain", False)
    if unit is None:
        return (1.0, 0.0) if plain else None
    annotation = re.search(r"\{(.*?)\}", unit)
    if annotation and annotation[1] == contradiction:
        return None
    bare = re.sub(r"\s*\{.*?\}\s*", "", unit, count=1).replace("µ", "u").replace("μ", "u")
    if plain:
        return (1.0, 0.0) if bare in ("", "1", "INR", "ratio") else None
    if not bare:
        return None
    return conversion(SPELLINGS.get(bare, bare), measurement["unit"], measurement.get("umol_per_mg"))
