"""What becomes of a resource that is made: since when it was known, if at all, and in how many versions it is there."""

import json
from datetime import datetime, timedelta, timezone

T0 = datetime(2024, 5, 2, 10, 0, tzinfo=timezone.utc)
FATES = {"plain": 60, "known later": 6, "later": 5, "in error": 5, "preliminary": 3, "undated": 3, "by its change": 4,
         "to the day": 6, "to the month": 2, "changed": 5, "corrected": 3, "corrected by status": 2, "versions": 5,
         "of nobody": 3}
ERRORS = {"Condition": ("verificationStatus", {"coding": [{"code": "entered-in-error"}]})}
KNOWN = {"Observation": "issued", "Condition": "recordedDate", "MedicationRequest": "authoredOn",
         "MedicationStatement": "dateAsserted", "FamilyMemberHistory": "date", "DiagnosticReport": "issued"}
HELD = {"Observation": "effective", "Condition": "onset", "Procedure": "performed", "DiagnosticReport": "effective"}


class Entries:
    """The entries of a bundle of one patient."""

    def __init__(self, rng, patient, address):
        self.rng, self.patient, self.address, self.entries = rng, patient, address, []

    def add(self, make):
        """One resource, or several versions of it, and whether and since when it was known."""
        rng = self.rng
        resource, time = make(), self.time()
        fate = rng.choices(list(FATES), list(FATES.values()))[0]
        kind = resource["resourceType"]
        if fate == "later":
            time = T0 + timedelta(seconds=rng.choice([1, 3600, 86400 * 20]))
        exact = {"to the day": 10, "to the month": 7}.get(fate)
        self.dated(resource, time, exact)
        after = self.written(T0 + timedelta(seconds=rng.choice([1, 86400, 9e6])))
        if fate == "known later" and kind in KNOWN:
            resource[KNOWN[kind]] = after
        elif fate in ("in error", "preliminary"):
            key, value = ERRORS.get(kind, ("status", "entered-in-error" if fate == "in error" else "preliminary"))
            resource[key] = value
        elif fate in ("undated", "by its change"):
            for key in [KNOWN.get(kind), f"{HELD.get(kind)}DateTime", f"{HELD.get(kind)}Period"]:
                resource.pop(key, None)
            if fate == "by its change":
                resource["meta"] = {"lastUpdated": self.written(time)}
        elif fate in ("changed", "corrected", "corrected by status"):
            resource["meta"] = {"lastUpdated": after, "versionId": "3" if fate == "corrected" else "1"}
            if fate == "corrected by status" and kind in ("Observation", "DiagnosticReport"):
                resource["status"] = rng.choice(["amended", "corrected"])
        elif fate == "versions":
            other = make() if kind not in ("MedicationRequest", "MedicationStatement") else json.loads(json.dumps(resource))
            if other["resourceType"] == kind:
                self.dated(other, time)
                first, second = rng.choice([(-9, -5), (-5, 5), (5, 9)])
                resource["meta"] = {"lastUpdated": self.written(T0 + timedelta(days=first)), "versionId": "1"}
                other["meta"] = {"lastUpdated": self.written(T0 + timedelta(days=second)), "versionId": "2"}
                resource["id"] = other["id"] = f"{kind.lower()}-{len(self.entries)}"
                self.put(other)
        self.put(resource, "urn:uuid:00000000-0000-4000-8000-000000000000" if fate == "of nobody" else None)

    def put(self, resource, subject=None):
        if self.rng.random() < 0.1 and "coding" in resource.get("code", {}):
            resource["code"]["coding"].insert(self.rng.choice([0, 1]), {"system": "http://example.org", "code": "local"})
        resource.setdefault("id", f"{resource['resourceType'].lower()}-{len(self.entries)}")
        key = "patient" if resource["resourceType"] == "FamilyMemberHistory" else "subject"
        resource[key] = {"reference": subject or self.rng.choice([self.address, f"Patient/{self.patient}"])}
        self.entries.append({"resource": resource})

    def dated(self, resource, time, exact=None):
        """The elements of time, whole or to the day or month."""
        rng, kind = self.rng, resource["resourceType"]
        written, held = self.written(time, exact), HELD.get(kind)
        if held and rng.random() < 0.85:
            if rng.random() < 0.2:
                resource[f"{held}Period"] = {"start": self.written(time - timedelta(hours=2), exact)} | (
                    {"end": written} if rng.random() < 0.8 else {})
            else:
                resource[f"{held}DateTime"] = written
        if kind in KNOWN and (rng.random() < 0.9 or held is None):
            known = time + timedelta(minutes=rng.choice([0, 0, 20]))
            resource[KNOWN[kind]] = self.written(min(known, T0) if time <= T0 else known, exact)

    def time(self):
        """A time up to ten years before t0, also at the very ends of windows and beside each other."""
        rng = self.rng
        edge = timedelta(days=rng.choice([0, 1, 7, 30, 180, 365, 1825]))
        near = edge + timedelta(seconds=rng.choice([-1, 1]))
        spread = timedelta(seconds=int(86400 * 10 ** rng.uniform(-2, 3.55)))
        just_before = timedelta(minutes=rng.choice([1, 59, 60, 61]))
        near = near if near > timedelta(0) else edge
        return T0 - rng.choice([edge, near, just_before, spread, spread, spread, spread, spread])

    def written(self, time, exact=None):
        offset = self.rng.choice([0, 0, 2, -5])
        return time.astimezone(timezone(timedelta(hours=offset))).isoformat()[:exact]
