"""Recomputes every feature of a record with pandas, and compares it with `chiasm features --format csv`.

Called by scripts/check-features. Codes, units, ranges and windows are the schema's; how they are applied is written in
feature_checks a second time, on purpose, from docs/features.md and docs/adr/0058. Compared are value, reason why there is
none, bound, age, what it cites and whether that was changed since, for the last value of every feature; value and what it
cites for every statistic of every window. Records that are made here (feature_checks/made.py) hold what published ones do not.
Exit code 1 where anything differs (a number by more than 1e-9 of itself), where the program has a feature that is not
recomputed here, or with --data where a feature was never known or never missing.
"""

import argparse
import csv
import io
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pandas as pd

from feature_checks import diseases, drugs, exams, made, measured, person
from feature_checks.record import Answer, Record

SCHEMA = tomllib.loads((Path(__file__).parent.parent / "fusion/schemas/record-features.toml").read_text())
SYNTHEA_TIMES = ["1999-07-01T00:00:00Z", "2012-03-04T05:06:07Z", "2019-05-25T00:00:00Z"]
MADE = 120
NOTES = "finds concepts in texts by NegEx and ConText; that is tested on NegEx's published kit (docs/features.md), not here"
NOT_RECOMPUTED = {one["is"]["id"]: NOTES for one in SCHEMA["note"] if "is" in one}
FILLED = {one["fills"] for one in SCHEMA["note"] if "fills" in one}


def expected(record):
    """(feature, statistic, window) to what is expected of it."""
    parts = (person.features, diseases.features, measured.features, drugs.features, exams.features)
    found = {key: answer for part in parts for key, answer in part(SCHEMA, record)}
    if not record.has_texts:  # what only notes hold cannot be there
        reason = record.why("DiagnosticReport")
        found.update({(name, "last", None): Answer(reason=reason) for name in NOT_RECOMPUTED})
    return found


def printed(chiasm, record, at, zone):
    out = subprocess.run([chiasm, "features", str(record), "--at", at, "--site-zone", zone, "--format", "csv"],
                         check=True, capture_output=True, text=True).stdout
    rows = csv.DictReader(io.StringIO(out))
    return {(row["feature"], row["statistic"], int(row["window_days"]) if row["window_days"] else None): row
            for row in rows}


def differences(answer, row):
    """What of a row is not as expected."""
    cited = {row["source"], *row["other_sources"].split()} - {""} if row else set()
    if row is None or row["statistic"] != "last":
        pairs = [("value", answer.value, row["value"] if row else None), ("cites", answer.others, cited)]
    else:
        pairs = [("value", answer.value, row["value"]), ("missing", answer.reason, row["missing"]),
                 ("bound", answer.bound, row["bound"]), ("age", answer.age, row["age_days"]),
                 ("source", answer.source, row["source"]), ("cites", answer.others, cited - {row["source"]}),
                 ("changed", "true" if answer.changed else None, row["changed_after_t0"])]
    return [f"{name} {shown(found)} against {shown(wanted)}" for name, wanted, found in pairs if not same(found, wanted)]


def shown(value):
    return f"{len(value)} resources {sorted(value)[:4]}" if isinstance(value, set) else repr(value)


def same(found, wanted):
    if isinstance(wanted, set):
        return found == wanted
    if wanted is None or not found:
        return wanted is None and not found
    if isinstance(wanted, str):
        return found == wanted
    return abs(float(found) - float(wanted)) <= 1e-9 * max(1, abs(wanted))


def exams_of(arguments, folder):
    """Records, the times at which they are looked at, and the zone of the site."""
    for record in arguments.records:
        yield from ((record, at, arguments.zone) for at in arguments.at)
    if arguments.data is None:
        return
    for record in sorted((arguments.data / "synthea").glob("*.json")):
        if "practitioner" not in record.name:
            yield from ((record, at, "UTC") for at in SYNTHEA_TIMES)
    outcomes = arguments.data / "cxr-hannover/outcomes.csv"
    if outcomes.is_file():
        for _, patient in pd.read_csv(outcomes).sort_values("study_time").groupby("patient_id"):
            last = patient.iloc[-1]  # each patient at the latest radiograph
            yield outcomes.parent / f"ehr/{last.patient_id}.json", last.study_time, "UTC"
    for record in made.records(SCHEMA, folder, MADE):
        yield record, made.T0.isoformat().replace("+00:00", "Z"), made.ZONE


def compare(chiasm, record, at, zone, table, wrong):
    """One record at one time: adds a row for each feature, and what differs."""
    rows, wanted = printed(chiasm, record, at, zone), Record(record, at, zone)
    of_notes = {name for name, _, _ in rows if name in FILLED and wanted.has_texts}
    answers = expected(wanted)
    for key in [*answers, *(key for key in rows if key not in answers)]:
        name, statistic, window = key
        if name in of_notes or (key not in answers and name in NOT_RECOMPUTED):
            continue
        where = f"{record.name} at {at}: {name} {statistic} {window or ''}".rstrip()
        found = differences(answers[key], rows.get(key)) if key in answers else ["not recomputed here"]
        if key in answers and key not in rows and statistic == "last":
            found = ["the program does not print it"]
        wrong += [f"{where}: {one}" for one in found]
        known = key in answers and answers[key].value is not None
        table.append((name, f"{record} {at}", known, statistic == "last" and not known, len(found)))


def report(table, wrong, is_whole):
    """Prints a row for each feature; says whether all is well."""
    table = pd.DataFrame(table, columns=["feature", "record", "known", "missing", "differ"])
    shown = table.groupby("feature", sort=False).agg(
        records=("record", "nunique"), values=("record", "size"), known=("known", "sum"), missing=("missing", "sum"),
        differ=("differ", "sum"))
    print(shown.to_string())
    for name, why in NOT_RECOMPUTED.items():
        print(f"not recomputed where a record has texts: {name}: {why}")
    bare = [name for name, row in shown.iterrows() if not (row.known and row.missing) and name not in NOT_RECOMPUTED]
    if is_whole and bare:
        wrong.append(f"never known or never missing, so not tested: {', '.join(bare)}")
    print(f"{len(shown)} features, {table.record.nunique()} records at their times, {len(table)} values compared, "
          f"{table.known.sum()} of them known, {len(wrong)} differ")
    print("\n".join(wrong[:40]))
    return not wrong and table.known.any()


def main():
    parser = argparse.ArgumentParser(prog="scripts/check-features")
    parser.add_argument("chiasm")
    parser.add_argument("records", nargs="*", type=Path)
    parser.add_argument("--at", action="append", default=[])
    parser.add_argument("--zone", default="UTC")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--keep", type=Path, help="where the records that are made stay")
    arguments = parser.parse_args()
    if arguments.records and not arguments.at:
        parser.error("RECORD needs --at TIME")
    table, wrong = [], []
    with tempfile.TemporaryDirectory() as folder:
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
        for record, at, zone in exams_of(arguments, arguments.keep or Path(folder)):
            compare(arguments.chiasm, record, at, zone, table, wrong)
    sys.exit(0 if report(table, wrong, arguments.data is not None) else 1)


if __name__ == "__main__":
    main()
