"""Recomputes what was measured of a patient with pandas, and compares it with `chiasm features --format csv`.

Called by scripts/check-features. Codes, units, ranges and windows are the schema's; how they are applied is written here a
second time, on purpose. Compared are the last value with its age and source, every statistic of every window, the body mass
index, ratios, and the kinetics of the prostate-specific antigen. A value in a unit that is not listed here is passed over and
counted. Exit code 1 where a number differs by more than 1e-9 of itself, or where nothing was compared.
"""

import argparse
import csv
import io
import json
import math
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd

UNITS = {  # to the schema's unit
    ("mg/L", "mg/L"): 1, ("mg/dL", "mg/L"): 10, ("g/dL", "g/dL"): 1, ("g/L", "g/L"): 1, ("mg/dL", "mg/dL"): 1,
    ("umol/L", "mg/dL"): 1 / 88.4, ("10*3/uL", "10*9/L"): 1, ("10*9/L", "10*9/L"): 1, ("%", "%"): 1, ("Cel", "Cel"): 1,
    ("kg/m2", "kg/m2"): 1, ("kg", "kg"): 1, ("cm", "cm"): 1, ("mm[Hg]", "mm[Hg]"): 1, ("kPa", "mm[Hg]"): 7.50062,
    ("U/L", "U/L"): 1, ("/min", "/min"): 1, ("ng/mL", "ng/mL"): 1, ("ug/L", "ng/mL"): 1,
}
SCHEMA = tomllib.loads((Path(__file__).parent.parent / "fusion/schemas/record-features.toml").read_text())
SYNTHEA_TIMES = ["1999-07-01T00:00:00Z", "2012-03-04T05:06:07Z", "2019-05-25T00:00:00Z"]


def observations(bundle):
    """Dated quantities with a LOINC code. Dates without a time count at their end, which the Rust tests cover."""
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] != "Observation" or resource.get("status") not in ("final", "amended", "corrected"):
            continue
        effective = resource.get("effectiveDateTime")
        known = resource.get("issued", effective)
        if effective is None or len(effective) <= 10 or len(known) <= 10:
            continue
        for part in [resource] + resource.get("component", []):
            quantity = part.get("valueQuantity")
            for coding in part.get("code", {}).get("coding", []):
                if quantity and coding.get("system") == "http://loinc.org":
                    yield {"loinc": coding["code"], "value": quantity["value"], "unit": quantity.get("code"),
                           "effective": pd.Timestamp(effective).tz_convert("UTC"),
                           "known": pd.Timestamp(known).tz_convert("UTC"), "source": "Observation/" + resource["id"]}


def slope(days, values):
    """Median of the slopes of all pairs, a year."""
    days, values = list(days), list(values)
    if len(days) < 3 or max(days) - min(days) < 1:
        return None
    pairs = [(values[j] - values[i]) / ((days[j] - days[i]) / 365.25)
             for i in range(len(days)) for j in range(i + 1, len(days)) if days[i] != days[j]]
    return float(pd.Series(pairs).median())


class Patient:
    def __init__(self, record, at):
        self.t0 = pd.Timestamp(at).tz_convert("UTC")
        rows = pd.DataFrame(list(observations(json.loads(record.read_text()))),
                            columns=["loinc", "value", "unit", "effective", "known", "source"])
        # known at its `issued`, or when it was measured where that is later
        self.rows = rows[(rows.known <= self.t0) & (rows.effective <= self.t0)] if len(rows) else rows
        self.passed_over = 0

    def series(self, measurement):
        """Values of a measurement in its unit, one for each time, oldest first."""
        factors = {code["loinc"]: code.get("factor", 1) for code in measurement["codes"] if "loinc" in code}
        own = self.rows[self.rows.loinc.isin(list(factors))].copy()
        own["by"] = [UNITS.get((unit, measurement["unit"])) for unit in own.unit]
        self.passed_over += int(own.by.isna().sum())
        own = own[own.by.notna()].copy()
        own["value"] = own.value * own.by.astype(float) * [factors[loinc] for loinc in own.loinc]
        low, high = measurement["range"]
        own = own[own.value.between(low, high)].sort_values(["effective", "known"], kind="stable")
        own = own.drop_duplicates("effective", keep="last").copy()
        own["age"] = [(self.t0 - one).total_seconds() / 86400 for one in own.effective]
        return own

    def features(self):
        """(feature, statistic, window) to the number that is expected, `None` where there is none."""
        by_id = {one["id"]: one for one in SCHEMA["measurement"]}
        for measurement in SCHEMA["measurement"]:
            if all("loinc" in code for code in measurement["codes"]):
                yield from self.measured(measurement, measurement["group"])
        yield from self.body_mass_index()
        for ratio in SCHEMA["ratio"]:
            over, under = (self.series(by_id[ratio[side]]) for side in ("over", "under"))
            value = None
            if len(over) and len(under):
                top, bottom = over.iloc[-1], under.iloc[-1]
                oldest = SCHEMA["defaults"][by_id[ratio["over"]]["group"]]["max_age_days"]
                if abs(top.age - bottom.age) <= ratio["max_gap_days"] and top.age < oldest and bottom.value > 0:
                    value = top.value / bottom.value
            yield (ratio["id"], "last", None), value
        for kinetic in SCHEMA["kinetic"]:
            own = self.series(by_id[kinetic["of"]])
            if kinetic["statistic"] == "velocity":
                value = slope(-own.age, own.value)
            else:
                rise = slope(-own.age, [math.log(one) for one in own.value]) if (own.value > 0).all() else None
                value = math.log(2) / (rise / 12) if rise and rise > 0 else None
            yield (kinetic["id"], "last", None), value

    def measured(self, measurement, group):
        defaults, own = SCHEMA["defaults"][group], self.series(measurement)
        name = measurement["id"]
        fresh = len(own) and own.age.iloc[-1] < defaults["max_age_days"]
        yield (name, "last", None), own.value.iloc[-1] if fresh else None
        yield (name, "age", None), own.age.iloc[-1] if len(own) else None
        yield (name, "source", None), own.source.iloc[-1] if len(own) else None
        for window in defaults["windows_days"]:
            inside = own[own.age < window]
            some = len(inside) > 0
            yield (name, "count", window), len(inside) if some else None
            for statistic in ("mean", "min", "max"):
                yield (name, statistic, window), getattr(inside.value, statistic)() if some else None
            yield (name, "slope", window), slope(-inside.age, inside.value)
            yield (name, "delta", window), inside.value.iloc[-1] - inside.value.iloc[-2] if len(inside) > 1 else None

    def body_mass_index(self):
        """As measured, else from the last weight and the last height."""
        rules = SCHEMA["body_mass_index"]
        direct = dict(self.measured(rules["index"], "vital"))
        if direct[("bmi", "last", None)] is not None:
            yield from direct.items()
            return
        weight, height = self.series(rules["weight"]), self.series(rules["height"])
        value = None
        if len(weight) and len(height):
            value = weight.value.iloc[-1] / (height.value.iloc[-1] / 100) ** 2
            low, high = rules["index"]["range"]
            if weight.age.iloc[-1] >= SCHEMA["defaults"]["vital"]["max_age_days"] or not low <= value <= high:
                value = None
        yield ("bmi", "last", None), value


def made(chiasm, record, at):
    out = subprocess.run([chiasm, "features", str(record), "--at", at, "--format", "csv"],
                         check=True, capture_output=True, text=True).stdout
    found = {}
    for row in csv.DictReader(io.StringIO(out)):
        window = int(row["window_days"]) if row["window_days"] else None
        found[(row["feature"], row["statistic"], window)] = row["value"]
        if row["statistic"] == "last":
            found[(row["feature"], "age", None)] = row["age_days"]
            found[(row["feature"], "source", None)] = row["source"]
    return found


def same(found, expected):
    if expected is None or not found:
        return expected is None and not found
    if isinstance(expected, str):
        return found == expected
    return abs(float(found) - expected) <= 1e-9 * max(1, abs(expected))


def exams(arguments):
    """Records and the times at which they are looked at."""
    for record in arguments.records:
        yield from ((record, at) for at in arguments.at)
    if arguments.data is None:
        return
    for record in sorted((arguments.data / "synthea").glob("*.json")):
        if "practitioner" not in record.name:
            yield from ((record, at) for at in SYNTHEA_TIMES)
    outcomes = arguments.data / "cxr-hannover/outcomes.csv"
    if outcomes.is_file():
        for _, patient in pd.read_csv(outcomes).sort_values("study_time").groupby("patient_id"):
            last = patient.iloc[-1]  # each patient at the latest radiograph
            yield outcomes.parent / f"ehr/{last.patient_id}.json", last.study_time


def main():
    parser = argparse.ArgumentParser(prog="scripts/check-features")
    parser.add_argument("chiasm")
    parser.add_argument("records", nargs="*", type=Path)
    parser.add_argument("--at", action="append", default=[])
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    if arguments.records and not arguments.at:
        parser.error("RECORD needs --at TIME")
    compared, there, passed_over, wrong = 0, 0, 0, []
    for record, at in exams(arguments):
        found, patient = made(arguments.chiasm, record, at), Patient(record, at)
        for (name, statistic, window), expected in patient.features():
            compared += 1
            there += expected is not None
            value = found.get((name, statistic, window))
            if not same(value, expected):
                wrong.append(f"{record.name} at {at}: {name} {statistic} {window or ''}: {value} against {expected}")
        passed_over += patient.passed_over
    print(f"{compared} values compared, {there} of them known, {passed_over} in other units passed over, "
          f"{len(wrong)} differ")
    print("\n".join(wrong[:20]), end="")
    sys.exit(1 if wrong or there == 0 else 0)


if __name__ == "__main__":
    main()
