"""Records for what no published one holds: seeded, with every kind of feature, and with what must not be read: known later,
in error, preliminary, undated, of nobody, in other units, changed or corrected after t0, and in several versions."""

import json
import random
import uuid
from datetime import timedelta

from .diseases import CODED_ABSENT, CODED_PRESENT, FIRST_DEGREE, named
from .fates import T0, Entries
from .record import SYSTEMS
from .units import SPELLINGS, conversion

ZONE = "Europe/Berlin"
UNITS = {  # how laboratories write what a feature has in this unit; what begins with ~ is no UCUM and stands in `unit` only
    "mg/L": ["mg/L", "mg/dL", "ug/mL", "g/L", "mg/l", "µg/ml"], "U/L": ["U/L", "[IU]/L", "ukat/L", "nkat/L", "~IU/L"],
    "10*9/L": ["10*9/L", "10*3/uL", "/uL", "10*6/L", "10*12/L", "10*3/μl", "~K/uL", "~10^3/uL"], "%": ["%", "1"],
    "g/dL": ["g/dL", "g/L", "mg/dL", "mmol/L"], "mm[Hg]": ["mm[Hg]", "kPa", "~mmHg"], "g/L": ["g/L", "g/dL", "mg/dL"],
    "mg/dL": ["mg/dL", "umol/L", "μmol/l", "mmol/L", "mg/L"], "ng/mL": ["ng/mL", "ug/L", "ng/L", "pg/mL", "~mcg/L"],
    "Cel": ["Cel", "[degF]", "K", "~°F"], "/min": ["/min", "/s", "{beats}/min", "~bpm"], "mL": ["mL", "L", "cm3", "~cc"],
    "kg/m2": ["kg/m2"], "kg": ["kg", "g", "[lb_av]", "~lb"], "cm": ["cm", "m", "mm", "[in_i]"],
}
UNFIT = ["mol/kg", "mm", "{score}", "furlong", None]
DRUGS = [
    ("311671", "Warfarin Sodium 5 MG Oral Tablet"), ("11289", "Warfarin"), ("861007", "Metformin hydrochloride 500 MG Oral Tablet"),
    ("860975", "24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet"), ("310346", "Finasteride 5 MG Oral Tablet"),
    ("856987", "Acetaminophen 300 MG / HYDROcodone Bitartrate 5 MG Oral Tablet"), ("313782", "Acetaminophen 325 MG Oral Tablet"),
    ("857002", "Hydrocodone Bitartrate 10 MG / Acetaminophen 325 MG Oral Tablet"), ("312617", "predniSONE 5 MG Oral Tablet"),
    ("8640", "prednisone"), ("314076", "lisinopril 10 MG Oral Tablet"), ("311354", "Lisinopril 5 MG Oral Tablet"),
    ("866924", "metoprolol tartrate 25 MG Oral Tablet"), ("866427", "24 HR metoprolol succinate 25 MG Extended Release Oral Tablet"),
    ("259255", "atorvastatin 80 MG Oral Tablet"), ("617314", "Atorvastatin 20 MG [Lipitor]"), ("1364430", None),
    ("313002", "Sodium Chloride 9 MG/ML Injection"), ("854228", "0.3 ML Enoxaparin sodium 100 MG/ML Injection"),
    ("745679", "200 ACTUAT Albuterol 0.09 MG/ACTUAT Metered Dose Inhaler"), (None, "herbal tea"), (None, "Dutasteride"),
    ("197361", "Amlodipine 5 MG Oral Tablet"), ("310798", "Hydrochlorothiazide 25 MG Oral Tablet"),
    ("198211", "Simvastatin 40 MG Oral Tablet"), ("314200", "Pantoprazole 40 MG Delayed Release Oral Tablet"),
    ("855332", "Digoxin 0.25 MG Oral Tablet"), ("310429", "Furosemide 20 MG Oral Tablet"), ("310965", "310965"),
]


def records(schema, folder, count, seed=20240502):
    """Writes the records and gives their paths."""
    for number in range(count):
        path = folder / f"made-{number:03}.json"
        path.write_text(json.dumps(Maker(schema, random.Random(f"{seed}/{number}"), number).bundle()))
        yield path


class Maker(Entries):
    def __init__(self, schema, rng, number):
        super().__init__(rng, f"made-{number}", f"urn:uuid:{uuid.UUID(int=rng.getrandbits(128))}")
        self.schema, self.number = schema, number

    def bundle(self):
        self.person()
        parts = [self.measured, self.tobacco, self.diseases, self.family, self.drugs, self.exams, self.education]
        for part in parts:
            if self.rng.random() < 0.85:  # of some kinds a record says nothing
                part()
        if self.number % 10 == 0:
            self.many_values()
        return {"resourceType": "Bundle", "type": "collection", "entry": self.entries}

    def person(self):
        rng, cdc = self.rng, "urn:oid:2.16.840.1.113883.6.238"
        extensions = [{"url": f"http://hl7.org/fhir/us/core/StructureDefinition/us-core-{name}", "extension": [
            {"url": "ombCategory", "valueCoding": {"system": cdc, "code": code}} for code in codes]}
            for name, codes in (("race", rng.choice([["2106-3"], ["2054-5"], ["2028-9"], ["2054-5", "2106-3"], ["9999-9"], []])),
                                ("ethnicity", rng.choice([["2135-2"], ["2186-5"], [], []])))]
        born = rng.choice(["1953", "1960-11", "1948-05-02", "1948-05-03", "1871-01-01", "2030-01-01", "1966-02-28", None])
        patient = {"resourceType": "Patient", "id": self.patient, "extension": extensions}
        patient |= {"birthDate": born} if born else {}
        gender = rng.choice(["male", "female", "other", "unknown", None])
        self.entries.append({"fullUrl": self.address, "resource": patient | ({"gender": gender} if gender else {})})

    def measured(self):
        body = self.schema["body_mass_index"]
        for one in [*self.schema["measurement"], *body.values()]:
            often = one["id"].startswith(("psa", "prostate", "neutro", "lympho", "crp", "albumin", "ldh"))
            if self.rng.random() < (0.8 if often else 0.4):
                for _ in range(self.rng.randint(1, 7 if often else 4)):
                    self.add(lambda one=one: self.measurement(one))

    def many_values(self):
        """More values than a slope is made from."""
        one = next(one for one in self.schema["measurement"] if one["id"] == "heart-rate")
        for step in range(620):
            resource = self.measurement(one, plain=True)
            self.dated(resource, T0 - timedelta(minutes=60 * step + self.rng.randint(1, 59)))
            self.put(resource)

    def measurement(self, one, plain=False):
        rng = self.rng
        code = rng.choice(one["codes"])
        system, number = ("loinc", code["loinc"]) if "loinc" in code else ("snomed", code["snomed"])
        resource = {"resourceType": "Observation", "status": "final", "code": coded(system, number)}
        if "body_site" in code and rng.random() < 0.8:
            resource["bodySite"] = coded("snomed", code["body_site"])
        if one.get("texts") and rng.random() < 0.3:
            resource["code"] = {"text": rng.choice(one["texts"]).title()}
        quantity = self.quantity(one, code, plain)
        if number in ("8480-6", "8462-4"):
            resource["code"], part = coded("loinc", "85354-9"), resource["code"]
            resource["component"] = [{"code": part, "valueQuantity": quantity}]
        elif not plain and rng.random() < 0.03:
            resource["valueString"] = "see report"
        else:
            resource["valueQuantity"] = quantity
        return resource

    def quantity(self, one, code, plain):
        rng = self.rng
        low, high = one["range"]
        value = low + (high - low) * rng.choice([rng.uniform(0.02, 0.3), rng.uniform(0.2, 0.6), 0.0 if low == 0 else rng.uniform(0.05, 0.1)])
        if not plain and rng.random() < 0.04:
            value = high * 1.5 + 1  # not possible
        if one["id"].startswith("psa"):
            value = rng.uniform(0.2, 30)
        if not plain and rng.random() < 0.06:
            return quantity(round(value, 3), rng.choice(UNFIT))
        if one.get("plain"):
            return quantity(round(value, 3), rng.choice(["{INR}", "1", None]))
        written = rng.choice(UNITS[one["unit"]])
        unit = written.strip("~").replace("µ", "u").replace("μ", "u").replace("{beats}", "")
        factor, offset = conversion(SPELLINGS.get(unit, unit), one["unit"], one.get("umol_per_mg"))
        found = quantity(float(f"{(value - offset) / factor:.6g}"), written)
        if "contradiction" in code and rng.random() < 0.5:
            found["code"] = found.get("code", "") + rng.choice(["{FEU}", "{DDU}"])
        if not plain and rng.random() < 0.08:
            found["comparator"] = rng.choice(["<", "<=", ">", ">="])
        return found

    def tobacco(self):
        rng, rules = self.rng, self.schema["smoking"]
        answers = [one for listed in rules["answers"].values() for one in listed] + ["snomed|111111111", "loinc|LA9999-9"]
        numbers = {
            "pack_years": ["{pack-years}", "1", None, "~pack years", "{packs}/d", "a"],
            "cigarettes_per_day": ["{cigarettes}/d", "/d", "~cigarettes/day", "{packs}/d", "{cigarettes}/wk", None],
            "years_smoked": ["a", "mo", "~years", "wk", "{packs}.a", "1"], "time_since_quitting": ["a", "mo", "d", "~years", "mm", None],
        }
        if rng.random() < 0.8:
            for _ in range(rng.randint(1, 4)):
                self.add(lambda: observation(rng.choice(rules["status"]), valueCodeableConcept=coded(*rng.choice(answers).split("|"))))
        for name, units in numbers.items():
            for _ in range(rng.choice([0, 1, 1, 2, 3])):
                self.add(lambda: observation(rng.choice(rules[name]), **self.amount(units)))
        for _ in range(rng.choice([0, 0, 1, 2])):
            date = rng.choice(["2010", "2015-03", "1999-12-31", "2023-02-03T10:00:00+01:00", "2027-01-01", "1890"])
            self.add(lambda: observation(rng.choice(rules["quit_date"]), valueDateTime=date))

    def amount(self, units):
        rng = self.rng
        if rng.random() < 0.06:
            return {"valueInteger": rng.randint(1, 60)}
        if rng.random() < 0.04:
            return {"valueString": "a lot"}
        found = quantity(rng.choice([rng.randint(1, 60), round(rng.uniform(0, 50), 1), 0, 900]), rng.choice(units))
        if rng.random() < 0.12:
            found["comparator"] = rng.choice(["<", ">", ">="])
        return {"valueQuantity": found}

    def condition_codes(self):
        """Codes of every list of the schema, and others."""
        schema, found = self.schema, [("icd10", "R05"), ("icd10", "H26.9"), ("snomed", "444814009"), ("icd10", "Z80.1")]
        lists = [one.get(part, {}) for one in schema["disease"] for part in ("whole", "part", "wider")]
        lists += schema["charlson"]["category"] + schema["diagnoses"]["chapters"]
        for one in lists:
            found += [("snomed", code) for code in named(schema, one.get("snomed"))]
            found += [("icd10", code) for code in named(schema, one.get("icd10"))]
        return found

    def diseases(self):
        rng, codes = self.rng, self.condition_codes()
        states = ["confirmed"] * 6 + [None] * 3 + ["refuted"] * 3 + ["provisional", "differential", "unconfirmed"]
        for _ in range(rng.choice([0, 1, 3, 8, 20])):
            chosen, state = [rng.choice(codes) for _ in range(rng.choice([1, 1, 1, 2]))], rng.choice(states)

            def condition(chosen=chosen, state=state):
                concept = {"coding": [self.icd(code) if system == "icd10" else coding(system, code) for system, code in chosen]}
                made = {"resourceType": "Condition", "code": concept if rng.random() < 0.95 else {"text": "malaise"}}
                return made | ({"verificationStatus": {"coding": [{"code": state}]}} if state else {})
            self.add(condition)
        for _ in range(rng.choice([0, 1, 3])):
            system, code = rng.choice([one for one in codes if one[0] == "snomed"])
            self.add(lambda: observation(f"{system}|{code}", **self.answer()))

    def icd(self, code):
        """An ICD-10 code of this beginning, with its dot."""
        whole = code if len(code) > 3 else (code + str(self.rng.randint(100, 999)))[:self.rng.choice([3, 4]) if len(code) == 3 else 3]
        whole = whole if "." in whole or len(whole) < 4 else f"{whole[:3]}.{whole[3:]}"
        system = self.rng.choice(["http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-cm",
                                  "http://fhir.de/CodeSystem/bfarm/icd-10-gm"])
        return {"system": system, "code": whole}

    def answer(self):
        rng = self.rng
        codes = sorted(CODED_PRESENT) + sorted(CODED_ABSENT) + [("snomed", "261665006")]
        return rng.choice([{"valueBoolean": True}, {"valueBoolean": False}, {"valueCodeableConcept": coded(*rng.choice(codes))}])

    def family(self):
        rng, schema = self.rng, self.schema
        codes = [one for family in schema["family"] for part in ("disease", "history") for kind in ("snomed", "icd10")
                 for one in ((kind, code) for code in family[part].get(kind, ()))] + [("icd10", "I21"), ("icd10", "C50")]
        others = ["HBRO", "HSIS", "STPFTH", "ADOPTM", "SONADOPT", "FTHFOST", "AUNT", "MGRMTH", "FTHINLAW", "COUSN", "HUSB"]
        for _ in range(rng.choice([0, 1, 2, 4])):
            role = rng.choice([rng.choice(sorted(FIRST_DEGREE)), rng.choice(others)])
            status = rng.choice(["completed"] * 4 + ["partial", "partial", "health-unknown"])

            def relative(role=role, status=status):
                chosen = [rng.choice(codes) for _ in range(rng.choice([0, 1, 1, 2]))]
                system = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
                return {"resourceType": "FamilyMemberHistory", "status": status,
                        "relationship": {"coding": [{"system": system, "code": role}]},
                        "condition": [{"code": {"coding": [self.icd(code) if kind == "icd10" else coding(kind, code)]}}
                                      for kind, code in chosen]}
            self.add(relative)
        for family in schema["family"]:
            history, absent = family["history"], family.get("no_history", {}).get("dicom", [])
            stated = [("snomed", code) for code in history.get("snomed", ())] + [("dicom", code) for code in history.get("dicom", ())]
            if rng.random() < 0.25:
                self.add(lambda: observation("|".join(rng.choice(stated)), valueBoolean=rng.random() < 0.5))
            if rng.random() < 0.2:
                said = coded(*rng.choice(stated + [("dicom", code) for code in absent]))
                self.add(lambda: observation("loinc|10157-6", valueCodeableConcept=said))
            if rng.random() < 0.2:
                state = rng.choice(["confirmed", "refuted", "provisional"])
                self.add(lambda: {"resourceType": "Condition", "code": coded(*stated[0]),
                                  "verificationStatus": {"coding": [{"code": state}]}})

    def drugs(self):
        rng, most = self.rng, self.rng.choice([1, 4, 9, 24])
        for number, name in rng.sample(DRUGS, most):
            concept = {"coding": [{"system": SYSTEMS["rxnorm"], "code": number} | ({"display": name} if name else {})]} \
                if number else {"text": name}

            def drug(concept=concept):
                kind = rng.choice(["MedicationRequest", "MedicationRequest", "MedicationStatement"])
                made = {"resourceType": kind, "intent": rng.choice(["order"] * 9 + ["proposal"]),
                        "status": rng.choice(["active"] * 8 + ["completed", "stopped", "on-hold", "draft", "cancelled"])}
                how = rng.random()
                if how < 0.7:
                    made["medicationCodeableConcept"] = concept
                elif how < 0.85:
                    made["contained"] = [{"resourceType": "Medication", "id": "m", "code": concept}]
                    made["medicationReference"] = {"reference": "#m"}
                else:
                    own = {"resourceType": "Medication", "id": f"m{len(self.entries)}", "code": concept}
                    self.entries.append({"resource": own})
                    made["medicationReference"] = {"reference": f"Medication/{own['id']}"}
                if rng.random() < 0.35:
                    period = {"end": self.written(T0 + timedelta(days=rng.uniform(-90, 90)))}
                    if kind == "MedicationStatement":
                        made["effectivePeriod"] = period
                    elif rng.random() < 0.5:
                        made["dosageInstruction"] = [{"text": "daily"}, {"timing": {"repeat": {"boundsPeriod": period}}}]
                    else:
                        made["dispenseRequest"] = {"validityPeriod": period}
                return made
            self.add(drug)

    def exams(self):
        rng, schema = self.rng, self.schema
        for procedure in schema["procedure"]:
            code = procedure["snomed"][0]
            if rng.random() < 0.3:
                self.add(lambda: {"resourceType": "Procedure", "status": "completed", "code": coded("snomed", code)})
            if rng.random() < 0.4:
                self.add(lambda: observation(f"snomed|{code}", **self.answer()))
        for examination in schema["examination"]:
            for _ in range(rng.choice([0, 1, 2])):
                self.add(lambda: self.examination(examination["snomed"][0]))
        for scale in schema["scale"]:
            for _ in range(rng.choice([0, 1, 3])):
                self.add(lambda: self.assigned(scale))
        for _ in range(rng.choice([0, 1, 3, 8])):
            self.add(self.imaging)

    def examination(self, code):
        rng = self.rng
        made = observation(f"snomed|{code}")
        if rng.random() < 0.6:
            return made | {"valueCodeableConcept": coded("snomed", rng.choice(["263654008", "17621005", "261665006"]))}
        system = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
        return made | {"interpretation": [{"coding": [{"system": system, "code": rng.choice("ANH")}]}]}

    def assigned(self, scale):
        rng = self.rng
        one = rng.choice(scale["values"])
        made = observation(None, code={"text": rng.choice(scale["texts"]).upper()})
        ways = [{"valueString": rng.choice(one["words"]).title()}, {"valueInteger": one["value"]}, {"valueString": "unclear"},
                {"valueQuantity": quantity(one["value"], "1")}, {"valueCodeableConcept": {"text": rng.choice(one["words"])}},
                {"valueInteger": 9}]
        if "radlex" in one and rng.random() < 0.5:
            radlex = {"coding": [{"system": "http://radlex.org", "code": rng.choice(one["radlex"])}]}
            return observation("loinc|59776-5", valueCodeableConcept=radlex)
        return made | rng.choice(ways)

    def imaging(self):
        rng = self.rng
        codes = [one.split("|") for kind in self.schema["prior_imaging"] for one in kind["codes"]] + [["loinc", "57698-3"]]
        system, code = rng.choice(codes)
        if system == "snomed":
            return {"resourceType": "Procedure", "status": "completed", "code": coded(system, code)}
        category, concept = (coded(system, code), coded("loinc", "57698-3")) if system == "v2-0074" else \
            (coded("v2-0074", "LAB"), coded(system, code))
        return {"resourceType": "DiagnosticReport", "status": "final", "category": [category], "code": concept}

    def education(self):
        rng, system = self.rng, "http://terminology.hl7.org/CodeSystem/v3-EducationLevel"
        for _ in range(rng.choice([0, 1, 2])):
            code = rng.choice(["ELEM", "SEC", "HS", "ASSOC", "SCOL", "BD", "PB", "GD", "POSTG", "XX"])
            answer = {"coding": [{"system": system, "code": code}]}
            self.add(lambda: observation(self.schema["education"]["codes"][0], valueCodeableConcept=answer))


def coding(system, code):
    return {"system": SYSTEMS.get(system, system), "code": code}


def coded(system, code):
    return {"coding": [coding(system, code)]}


def quantity(value, unit):
    found = {"value": value}
    if unit and unit.startswith("~"):
        found["unit"] = unit[1:]
    elif unit:
        found |= {"unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
    return found


def observation(token, **elements):
    code = {"code": coded(*token.split("|"))} if token else {}
    return {"resourceType": "Observation", "status": "final"} | code | elements
