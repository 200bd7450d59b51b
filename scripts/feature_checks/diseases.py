"""Diseases, Charlson index, diagnoses by chapter, and what relatives have."""

from .record import SYSTEMS, Answer, codings, first_of, listed, pairs, status_code, text, value_of, word

ICD10 = {
    "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-cm", "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "http://fhir.de/CodeSystem/dimdi/icd-10-gm", "urn:oid:2.16.840.1.113883.6.90", "urn:oid:2.16.840.1.113883.6.3",
}
CODED_PRESENT = {("snomed", "52101004"), ("snomed", "373066001"), ("snomed", "10828004"), ("loinc", "LA33-6"),
           ("loinc", "LA9633-4")}
CODED_ABSENT = {("snomed", "2667000"), ("snomed", "373067005"), ("snomed", "260385009"), ("snomed", "41647002"),
          ("loinc", "LA32-8"), ("loinc", "LA9634-2")}
# HL7 v3 RoleCode: parents, siblings and children by blood, of the whole blood.
FIRST_DEGREE = set(
    "PRN FTH MTH NPRN NFTH NMTH SIB BRO SIS NSIB NBRO NSIS TWIN FTWIN ITWIN TWINBRO FTWINBRO ITWINBRO TWINSIS FTWINSIS "
    "ITWINSIS CHILD NCHILD SON SONC DAU DAUC".split())
ROLES = {"http://terminology.hl7.org/CodeSystem/v3-RoleCode", "http://hl7.org/fhir/v3/RoleCode"}


def bare(code):
    return "".join(letter for letter in code or "" if letter.isascii() and letter.isalnum())


def named(schema, codes):
    """Codes with the lists that `@name` stands for."""
    lists = schema["code_lists"]
    return [one for code in codes or () for one in (lists[code[1:]] if code.startswith("@") else [code])]


def is_listed(schema, concept, codes):
    """Whether one of the codings is of a list of codes of the schema."""
    snomed, dicom = named(schema, codes.get("snomed")), codes.get("dicom", ())
    prefixes, excepted = (tuple(named(schema, codes.get(key))) for key in ("icd10", "not_icd10"))
    for system, code, _ in codings(concept):
        if system == SYSTEMS["snomed"] and code in snomed or system == SYSTEMS["dicom"] and code in dicom:
            return True
        if system in ICD10 and bare(code).startswith(prefixes) and not bare(code).startswith(excepted):
            return True
    return False


def presence(concept):
    has = {answer: bool(pairs(concept) & {(SYSTEMS[system], code) for system, code in codes})
           for answer, codes in ((True, CODED_PRESENT), (False, CODED_ABSENT))}
    return None if has[True] == has[False] else has[True]


def truth_of(condition):
    return {None: True, "confirmed": True, "refuted": False}.get(status_code(condition, "verificationStatus"))


def answers(schema, disease, concept, truth):
    other = disease.get("part" if truth else "wider", {})
    return is_listed(schema, concept, disease.get("whole", {})) or is_listed(schema, concept, other)


def features(schema, record):
    for disease in schema["disease"]:
        answer = stated(schema, record, disease)
        yield (disease["id"], "last", None), answer
        if "years_since" in disease:
            since = Answer(reason=answer.reason or "not-recorded")
            if answer.value == "true" and is_undated(schema, record, disease):
                since = Answer(reason="undated")
            elif answer.value == "true":
                since = Answer(answer.age / 365.25, age=answer.age, changed=answer.changed)
                since.source = answer.source
            yield (disease["years_since"]["id"], "last", None), since
    for family in schema["family"]:
        yield (family["id"], "last", None), relatives(schema, record, family)
    yield from counts(schema, record)


def statements(schema, record, disease):
    """(yes or no, row), the one that counts last: stated wins over stated absent; of equals the latest."""
    found = [(truth_of(row.resource), row) for row in record.known["Condition"].itertuples()]
    for row in record.known["Observation"].itertuples():
        kind, value = value_of(row.resource)
        truth = value if kind == "boolean" else presence(value) if kind == "concept" else None
        found.append((truth, row))
    found = [(truth, row) for truth, row in found
             if truth is not None and answers(schema, disease, row.resource.get("code"), truth)]
    return sorted(found, key=lambda one: (one[0], one[1].effective, one[1].known))


def is_undated(schema, record, disease):
    """Whether what counts is a Condition that says that there once was one, and not since when."""
    resource = statements(schema, record, disease)[-1][1].resource
    begins = [first_of(resource, key, "start", record.zone) for key in ("onsetDateTime", "onsetPeriod")]
    history = is_listed(schema, resource.get("code"), disease.get("past", {}))
    return resource["resourceType"] == "Condition" and history and not any(begins)


def stated(schema, record, disease):
    found = statements(schema, record, disease)
    if not found:
        return Answer(reason=record.why("Condition", lambda one: answers(schema, disease, one.get("code"), True)))
    truth, row = found[-1]
    return Answer(str(truth).lower(), row)


def relatives(schema, record, family):
    """Yes wherever it is said; else no where that is said; relatives, then Observations, then Conditions."""
    said = []
    history, disease = family["history"], family["disease"]
    for row in record.known["FamilyMemberHistory"].itertuples():
        if any(system in ROLES and code in FIRST_DEGREE
               for system, code, _ in codings(row.resource.get("relationship"))):
            has = any(is_listed(schema, one.get("code"), disease) or is_listed(schema, one.get("code"), history)
                      for one in listed(row.resource, "condition"))
            if has or row.resource.get("status") == "completed":
                said.append((has, row))
    for row in record.known["Observation"].itertuples():
        kind, value = value_of(row.resource)
        if kind == "concept" and is_listed(schema, value, family.get("no_history", {})):
            said.append((False, row))
        elif kind == "boolean" and is_listed(schema, row.resource.get("code"), history):
            said.append((value, row))
        elif kind == "concept" and is_listed(schema, value, history):
            said.append((True, row))
    for row in record.known["Condition"].itertuples():
        truth = truth_of(row.resource)
        if truth is not None and is_listed(schema, row.resource.get("code"), history):
            said.append((truth, row))
    yes = [row for truth, row in said if truth]
    if yes or said:
        return Answer("true", yes[0]) if yes else Answer("false", said[-1][1])
    return Answer(reason=record.why("FamilyMemberHistory"))


def counts(schema, record):
    """The Charlson index and distinct diagnoses."""
    table = record.known["Condition"]
    so = table[[truth_of(one) is True for one in table.resource]]
    reason = record.why("Condition") if table.empty else None
    changed = table.changed.any()

    def counted(value, rows):
        """A number with everything that it is made from, the one known last first."""
        if reason:
            return Answer(reason=reason)
        rows = sorted(rows, key=lambda row: (-row.known.value, word(row.reference) or ""))
        others = [row.reference for row in rows]
        return Answer(value, rows[0] if rows else None, others=others, changed=changed)

    rules, found = schema["charlson"], {}
    for row in so.itertuples():
        found.update({one["id"]: (one, row) for one in rules["category"]
                      if is_listed(schema, row.resource.get("code"), one)})
    found = {name: one for name, one in found.items() if one[0].get("yields_to") not in found}
    index = sum(category["weight"] for category, _ in found.values())
    yield (rules["id"], "last", None), counted(index, [row for _, row in found.values()])

    rules = schema["diagnoses"]
    for chapter in [None, *rules["chapters"]]:
        name = rules["id"] + (f"-{chapter['id']}" if chapter else "")
        of = [row for row in so.itertuples() if not chapter or is_listed(schema, row.resource.get("code"), {
            "icd10": chapter["icd10"]})]
        recent = [row for row in of if record.days(row.known) < rules["window_days"]]
        for key, rows in ((name, of), (f"{name}-{rules['window_days']}d", recent)):
            distinct = {identity(row.resource): row for row in rows if identity(row.resource)}
            yield (key, "last", None), counted(len(distinct), list(distinct.values()))


def identity(condition):
    """What tells diagnoses apart: the first code, else the text."""
    first = next(((system, code) for system, code, _ in codings(condition.get("code")) if code), None)
    return first or text(condition.get("code"), "text")
