"""Procedures and examinations, scales of readers of images, and earlier imaging."""

from .diseases import presence
from .record import SYSTEMS, Answer, codings, listed, pairs, text, tokens, value_of, word

RADLEX = ("http://radlex.org", "http://www.radlex.org", "https://anatomiclocations.org/", "http://www.radlex.org/RID")
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
DAY, HOUR = 1.0, 1 / 24


def features(schema, record):
    for procedure in schema["procedure"]:
        yield (procedure["id"], "last", None), done(record, procedure)
    for examination in schema["examination"]:
        yield (examination["id"], "last", None), examined(record, examination)
    for scale in schema["scale"]:
        yield (scale["id"], "last", None), highest(record, scale)
    yield from imaging(schema, record)


def coded(stated):
    return [(SYSTEMS["snomed"], code) for code in stated["snomed"]]


def observed(record, stated, truth_of):
    """The latest Observation of the codes that answers."""
    for row in record.observed(coded(stated)).itertuples():
        truth = truth_of(row.resource)
        if truth is not None:
            return Answer(str(truth).lower(), row)
    return None


def done(record, stated):
    table, wanted = record.known["Procedure"], set(coded(stated))
    of = table[[bool(pairs(one.get("code")) & wanted) for one in table.resource]]
    if len(of):
        return Answer("true", next(of.tail(1).itertuples()))

    def truth_of(resource):
        kind, value = value_of(resource)
        return value if kind == "boolean" else presence(value) if kind == "concept" else None
    reason = record.why("Procedure", lambda one: bool(pairs(one.get("code")) & wanted))
    return observed(record, stated, truth_of) or Answer(reason=reason)


def examined(record, stated):
    def either(codes, abnormal, normal):
        return None if (abnormal in codes) == (normal in codes) else abnormal in codes

    def abnormal(resource):
        kind, value = value_of(resource)
        by_value = either(pairs(value), (SYSTEMS["snomed"], "263654008"), (SYSTEMS["snomed"], "17621005")) \
            if kind == "concept" else None
        said = {pair for one in listed(resource, "interpretation") for pair in pairs(one)}
        return either(said, (INTERPRETATION, "A"), (INTERPRETATION, "N")) if by_value is None else by_value
    return observed(record, stated, abnormal) or Answer(reason=record.why_unobserved(coded(stated)))


def texts(concept):
    return [one for one in [text(concept, "text"), *(display for _, _, display in codings(concept))] if one]


def highest(record, scale):
    """The highest value of the latest examination, which is all within a day of the latest."""
    stated, unmapped = [], False
    for row in record.known["Observation"].itertuples():
        value = assigned(row.resource, scale)
        unmapped |= value == "unmapped"
        if value not in (None, "unmapped"):
            stated.append((value, row))
    if not stated:
        return Answer(reason="unmapped" if unmapped else "not-recorded")
    newest = stated[-1][1].age
    exam = [(value, row) for value, row in stated if row.age - newest <= DAY]
    value, row = sorted(exam, key=lambda one: one[0])[-1]
    fresh = newest < scale["max_age_days"]
    return Answer(value if fresh else None, row, reason=None if fresh else "stale",
                  others=[one.reference for _, one in exam], changed=any(one.changed for _, one in exam))


def assigned(resource, scale):
    """A RadLex code, or where the code asks for the scale its number or a word of it."""
    kind, value = value_of(resource)
    by_code = {code: one["value"] for one in scale["values"] for code in one.get("radlex", ())}
    if kind == "concept":
        found = [by_code[code] for system, code, _ in codings(value) if system in RADLEX and code in by_code]
        if found:
            return found[0]
    if not any(one.lower() in scale["texts"] for one in texts(resource.get("code"))):
        return None
    numbers = [one["value"] for one in scale["values"]]
    words = {word: one["value"] for one in scale["values"] for word in one["words"]}
    if kind == "integer" or kind == "quantity" and "comparator" not in value:
        number = value if kind == "integer" else value["value"]
        return next((one for one in numbers if abs(one - number) < 1e-9), "unmapped")
    said = [value.strip()] if kind == "text" else texts(value) if kind == "concept" else []
    return next((words[one.lower()] for one in said if one.lower() in words), "unmapped")


def imaging(schema, record):
    """How many examinations of each kind there were, and how long ago the latest was."""
    kinds = schema["prior_imaging"]
    codes = {kind["id"]: set(tokens(kind["codes"])) for kind in kinds}
    every = set().union(*codes.values())
    some = bool(examinations(record, every)[0])
    for kind in kinds:
        found, reason = examinations(record, every if kind.get("any") else codes[kind["id"]])
        inside = [row for row in found if row.age < kind["window_days"]]
        days = Answer(found[0].age, found[0]) if found else Answer(reason=reason)
        if found or some and kind["missing"] == "zero":
            newest, distinct = None, 0
            for row in inside:  # the latest first: each within a day of the latest of its examination
                if newest is None or row.age - newest >= DAY:
                    newest, distinct = row.age, distinct + 1
            count = Answer(distinct, inside[0] if inside else None, others=[row.reference for row in inside],
                           changed=any(row.changed for row in inside))
        else:
            count = Answer(reason=reason)
        yield (kind["id"], "last", None), count
        yield (kind["days"]["id"], "last", None), days


def examinations(record, wanted):
    """Reports by category or code and procedures by code, the latest first, and why others are not read."""
    def is_report(resource):
        concepts = [*listed(resource, "category"), resource.get("code")]
        return any(pairs(one) & wanted for one in concepts)

    def is_procedure(resource):
        return bool(pairs(resource.get("code")) & wanted)
    rows = [row for row in record.known["DiagnosticReport"].itertuples()  # what is of the last hour may be the study itself
            if is_report(row.resource) and (text(row.resource, "issued") or row.age >= HOUR)]
    rows += [row for row in record.known["Procedure"].itertuples() if is_procedure(row.resource) and row.age >= HOUR]
    rows.sort(key=lambda row: (row.effective, row.known, word(row.reference) or ""), reverse=True)
    reason = record.why("DiagnosticReport", is_report)
    return rows, reason if reason != "not-recorded" else record.why("Procedure", is_procedure)
