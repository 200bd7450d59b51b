"""A FHIR record as it was known at t0: one table for each kind of resource, by docs/features.md and docs/adr/0058."""

import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

SYSTEMS = {
    "loinc": "http://loinc.org", "snomed": "http://snomed.info/sct",
    "v2-0074": "http://terminology.hl7.org/CodeSystem/v2-0074",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "dicom": "http://dicom.nema.org/resources/ontology/DCM",
}
# Which element says since when a resource was known, which says when it held, whether the latter may stand in for the
# former, and which statuses are read (`not`: all but these).
KINDS = {
    "Observation": ("issued", ("effectiveDateTime", "effectiveInstant", "effectivePeriod"), True,
                    {"final", "amended", "corrected"}),
    "Condition": ("recordedDate", ("onsetDateTime", "onsetPeriod"), False, None),
    "MedicationRequest": ("authoredOn", ("authoredOn",), False, None),
    "MedicationStatement": ("dateAsserted", ("effectiveDateTime", "effectivePeriod"), False, None),
    "FamilyMemberHistory": ("date", (), False, None),
    "Procedure": (None, ("performedDateTime", "performedPeriod"), True, {"completed"}),
    "DiagnosticReport": ("issued", ("effectiveDateTime", "effectivePeriod"), True,
                         {"final", "amended", "corrected", "appended"}),
}
TABLES = {"MedicationRequest": "Medication", "MedicationStatement": "Medication"}
REASONS = ["only-after-t0", "corrected-after-t0", "status", "undated"]  # the last says most
COLUMNS = ["reference", "known", "effective", "changed", "resource"]


def text(value, key):
    found = value.get(key) if isinstance(value, dict) else None
    return found.strip() or None if isinstance(found, str) else None


def word(value):
    """What is no text, as an empty cell of a table, is none."""
    return value if isinstance(value, str) else None


def listed(value, key):
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else [found] if isinstance(found, dict) else []


def codings(concept):
    """(system, code, display) of every coding."""
    return [(text(one, "system"), text(one, "code"), text(one, "display")) for one in listed(concept, "coding")]


def pairs(concept):
    return {(system, code) for system, code, _ in codings(concept)}


def tokens(written):
    """`loinc|72166-2` of the schema as (system, code)."""
    split = [one.split("|") for one in written]
    return [(SYSTEMS[system], code) for system, code in split]


def status_code(resource, key):
    field = resource.get(key)
    return field if isinstance(field, str) else next((code for _, code, _ in codings(field) if code), None)


def interval(written, zone):
    """First instant and end of a FHIR date or time; `None` where it is none."""
    try:
        if len(written) > 10:
            at = datetime.fromisoformat(written)
            return (instant(at if at.tzinfo else at.replace(tzinfo=zone)),) * 2
        year, month, day = ([int(part) for part in written.split("-")] + [None, None])[:3]
        first = datetime(year, month or 1, day or 1)
        end = (first + timedelta(days=1) if day else datetime(year + month // 12, month % 12 + 1, 1) if month
               else datetime(year + 1, 1, 1))
    except (TypeError, ValueError):
        return None
    return tuple(instant(one.replace(tzinfo=zone)) for one in (first, end))


def instant(at):
    return pd.Timestamp(at).as_unit("us").tz_convert("UTC")


def first_of(resource, key, part, zone):
    """The interval of `keyDateTime`, or of a part of `keyPeriod`."""
    field = resource.get(key)
    written = text(field, part) if isinstance(field, dict) else text(resource, key)
    return interval(written, zone) if written else None


def value_of(part):
    """What an Observation or a component of one states, and of which type."""
    quantity = part.get("valueQuantity")
    number = quantity.get("value") if isinstance(quantity, dict) else None
    comparator = text(quantity, "comparator") if number is not None else None
    if isinstance(number, (int, float)) and not isinstance(number, bool) and comparator in (None, "<", "<=", ">", ">="):
        return "quantity", quantity
    for key, kind, name in (("valueCodeableConcept", dict, "concept"), ("valueBoolean", bool, "boolean"),
                            ("valueInteger", int, "integer"), ("valueDateTime", str, "moment"),
                            ("valueString", str, "text")):
        if isinstance(part.get(key), kind):
            return name, part[key]
    return None, None


def strongest(reasons):
    """Of several reasons the one that says most; without any it is not recorded."""
    return max(reasons, key=REASONS.index, default="not-recorded")


class Record:
    """What was known at t0. `known` and `refused` hold a table for each kind, the oldest first."""

    def __init__(self, path, at, zone="UTC"):
        self.t0, self.zone = pd.Timestamp(at).tz_convert("UTC"), ZoneInfo(zone)
        entries = [entry for entry in json.loads(path.read_text())["entry"] if "resource" in entry]
        person = next(entry for entry in entries if entry["resource"]["resourceType"] == "Patient")
        self.patient = person["resource"]
        self.person = f"Patient/{self.patient['id']}"
        own = {person.get("fullUrl"), self.person}
        self.drugs, rows = {}, []
        for entry in entries:
            resource = entry["resource"]
            kind = resource["resourceType"]
            reference = f"{kind}/{resource['id']}" if "id" in resource else entry.get("fullUrl")
            for part in [resource] if kind == "Medication" else listed(resource, "contained"):
                names = (reference, entry.get("fullUrl")) if part is resource else (f"{reference}#{part.get('id')}",)
                self.drugs.update({name: part.get("code") for name in names if name})
            subject = resource.get("subject", resource.get("patient"))
            if kind in KINDS and text(subject, "reference") in own:
                rows.append({"kind": TABLES.get(kind, kind), "reference": reference, "resource": resource})
        self.has_texts = any("text" in row["resource"] or "conclusion" in row["resource"] or "presentedForm" in
                             row["resource"] for row in rows if row["kind"] == "DiagnosticReport")
        self.has_texts |= any(entry["resource"]["resourceType"] in ("DocumentReference", "Composition")
                              for entry in entries)
        self.known, self.refused, self.series = {}, {}, {}
        for kind in {TABLES.get(kind, kind) for kind in KINDS}:
            self.sort(kind, pd.DataFrame([row for row in rows if row["kind"] == kind],
                                         columns=["kind", "reference", "resource"]))

    def sort(self, kind, table):
        """Versions, then time and status, into known and refused."""
        updated = [self.updated(one) for one in table.resource]
        table["updated"] = pd.Series(updated, dtype="datetime64[us, UTC]", index=table.index)
        judged = [self.judge(one) for one in self.versions(table).itertuples()]
        self.refused[kind] = pd.DataFrame([one for one in judged if "reason" in one], columns=["resource", "reason"])
        known = pd.DataFrame([one for one in judged if "reason" not in one], columns=COLUMNS)
        known["order"] = known.reference.fillna("")
        known = known.sort_values(["effective", "known", "order"], kind="stable").reset_index(drop=True)
        known["age"] = [self.days(one) for one in known.effective]
        self.known[kind] = known

    def updated(self, resource):
        found = first_of(resource.get("meta", {}), "lastUpdated", "", self.zone)
        return found[1] if found else pd.NaT

    def versions(self, table):
        """Of several with one reference: the latest changed by t0, else the earliest; of equals the last."""
        several = table.reference.notna() & table.duplicated("reference", keep=False)
        kept = list(table.index[~several])
        for _, versions in table[several].groupby("reference", sort=False):
            by_t0 = versions[versions.updated.isna() | (versions.updated <= self.t0)]
            stated = by_t0.updated.dropna() if len(by_t0) else versions.updated
            best = (stated.max() if len(by_t0) else stated.min()) if len(stated) else None
            kept.append(stated[stated == best].index[-1] if best is not None else by_t0.index[-1])
        return table.loc[sorted(kept)]

    def judge(self, row):
        resource = row.resource
        element, held, stands_in, statuses = KINDS[resource["resourceType"]]
        begins = next(filter(None, (first_of(resource, key, "start", self.zone) for key in held)), None)
        periods = [key for key in held if "Period" in key and stands_in]  # a disease and a drug are dated by their beginning
        ends = next(filter(None, (first_of(resource, key, "end", self.zone) for key in periods)), None)
        held_until = (ends or begins or (None, None))[1]
        stated = first_of(resource, element, "", self.zone) if element else None
        known = stated[1] if stated else held_until if stands_in and held_until is not None else row.updated
        known = None if pd.isna(known) else known
        if (known is not None and known > self.t0) or (begins and begins[0] > self.t0):
            return {"resource": resource, "reason": "only-after-t0"}
        if not usable(resource, statuses):
            return {"resource": resource, "reason": "status"}
        if known is None:
            return {"resource": resource, "reason": "undated"}
        changed = not pd.isna(row.updated) and row.updated > self.t0
        if changed and says_corrected(resource):
            return {"resource": resource, "reason": "corrected-after-t0"}
        effective = known if held_until is None else min(held_until, known)
        return {"reference": row.reference, "known": known, "effective": effective, "changed": changed,
                "resource": resource}

    def days(self, time):
        return (self.t0 - time).total_seconds() / 86400

    def observed(self, codes):
        """Known Observations of one of these codes, the latest first."""
        table, wanted = self.known["Observation"], set(codes)
        return table[[bool(pairs(one.get("code")) & wanted) for one in table.resource]].iloc[::-1]

    def why(self, kind, of=lambda resource: True):
        """Why nothing is known of a kind, by what was refused."""
        refused = self.refused[kind]
        return strongest([row.reason for row in refused.itertuples() if of(row.resource)])

    def why_unobserved(self, codes):
        wanted = set(codes)
        return self.why("Observation", lambda resource: bool(pairs(resource.get("code")) & wanted))


def usable(resource, statuses):
    kind, status = resource["resourceType"], text(resource, "status")
    if kind == "Condition":
        return status_code(resource, "verificationStatus") != "entered-in-error"
    if kind == "FamilyMemberHistory":
        return status not in ("entered-in-error", "health-unknown")
    if statuses is None:
        return status not in ("entered-in-error", "draft", "cancelled", "not-taken") and \
            resource.get("intent") != "proposal"
    return status in statuses


def says_corrected(resource):
    """Whether a version that was changed after t0 says that another one came before it."""
    by_status = {"Observation": ("amended", "corrected"), "DiagnosticReport": ("amended", "corrected", "appended")}
    version = text(resource.get("meta", {}), "versionId") or ""
    number = int(version) if version.isascii() and version.isdigit() else 0
    return number > 1 or text(resource, "status") in by_status.get(resource["resourceType"], ())


class Answer:
    """What is expected of a feature: a value with its provenance, or the reason why there is none."""

    def __init__(self, value=None, row=None, reason=None, others=(), bound=None, changed=None, age=None):
        self.value, self.reason, self.bound = value, reason, bound
        self.source = None if row is None else word(row.reference)
        self.age = age if age is not None else None if row is None else row.age
        self.others = {one for one in others if word(one)} - {self.source}
        self.changed = bool(changed if changed is not None else row is not None and row.changed)
