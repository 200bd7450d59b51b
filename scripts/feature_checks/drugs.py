"""Drugs that are active at t0: how many different ones, whether that is many, and single ones by name."""

import re

from .record import SYSTEMS, Answer, codings, first_of, listed, text, word

BEFORE = {"hr", "ml", "actuat", "day", "mg", "pack"}
SALTS_AND_FORMS = set(
    "hydrochloride hcl sodium potassium calcium magnesium sulfate succinate tartrate besylate maleate mesylate fumarate "
    "acetate phosphate citrate bitartrate hydrobromide oral tablet tablets capsule capsules injection solution suspension "
    "extended release er xr inhaler topical cream".split())


def features(schema, record):
    table, rules = record.known["Medication"], schema["medication"]
    counts = {"polypharmacy": rules["polypharmacy"], "hyper-polypharmacy": rules["hyper_polypharmacy"]}
    if table.empty:
        reason = record.why("Medication")
        for name in ["active-drugs", *counts, *(drug["id"] for drug in schema["drug"])]:
            yield (name, "last", None), Answer(reason=reason)
        return
    active = [row for row in table.itertuples() if is_active(record, row.resource)]
    cited = [max(group, key=lambda row: (row.known, word(row.reference) or "")) for group in different(record, active)]
    cited.sort(key=lambda row: (row.known, word(row.reference) or ""), reverse=True)

    def answer(value):
        return Answer(value, cited[0] if cited else None, others=[row.reference for row in cited],
                      changed=table.changed.any())
    yield ("active-drugs", "last", None), answer(len(cited))
    for name, least in counts.items():
        yield (name, "last", None), answer(str(len(cited) >= least).lower())
    for drug in schema["drug"]:
        taken = [row for row in active if is_drug(record, row.resource, drug)]
        no = Answer("false") if drug["missing"] == "zero" else Answer(reason="not-recorded")
        yield (drug["id"], "last", None), Answer("true", taken[-1]) if taken else no


def is_active(record, resource):
    """Active, or ended after t0; begun by t0."""
    if resource["resourceType"] == "MedicationRequest":
        begins = first_of(resource, "authoredOn", "", record.zone)
        bounds = [first_of(one.get("timing", {}).get("repeat", {}), "boundsPeriod", "end", record.zone)
                  for one in listed(resource, "dosageInstruction")]
        supply = first_of(resource.get("dispenseRequest", {}), "validityPeriod", "end", record.zone)
        ends = next(filter(None, bounds), None) or supply
    else:
        begins = first_of(resource, "effectiveDateTime", "", record.zone) or \
            first_of(resource, "effectivePeriod", "start", record.zone)
        ends = first_of(resource, "effectivePeriod", "end", record.zone)
    if begins and begins[0] > record.t0:
        return False
    later = ends is not None and ends[1] > record.t0
    return {"active": ends is None or later, "completed": later, "stopped": later}.get(resource.get("status"), False)


def concepts(record, resource):
    """What a drug is called: in the resource, and where it refers to."""
    own, reference = resource.get("medicationCodeableConcept"), text(resource.get("medicationReference"), "reference")
    if reference and reference.startswith("#"):
        reference = f"{resource['resourceType']}/{resource['id']}{reference}"
    return [one for one in (own, record.drugs.get(reference)) if one]


def different(record, active):
    """Groups of entries that have a name or a code in common, however many steps apart."""
    groups = []
    for row in active:
        names, rows = identities(record, row.resource), [row]
        if not names:
            continue
        for group in [one for one in groups if one[0] & names]:
            groups.remove(group)
            names, rows = names | group[0], rows + group[1]
        groups.append((names, rows))
    return [rows for _, rows in groups]


def identities(record, resource):
    """The ingredients that a name begins with, the first code, and the RxNorm codes of a drug of one ingredient."""
    concept = next(iter(concepts(record, resource)), None)
    coded = [(system, code) for system, code, _ in codings(concept) if code]
    called = [one for one in [*(display for _, _, display in codings(concept)), text(concept, "text")] if one]
    name = next(filter(None, map(ingredients, called)), None)
    found = set(coded[:1]) | ({name} if name else set())
    if not (name and " / " in name):
        found |= {pair for pair in coded if pair[0] == SYSTEMS["rxnorm"]}
    return found or {one.lower() for one in called[:1]}


def ingredients(name):
    """`Hydrocodone Bitartrate 10 MG / Acetaminophen 325 MG Oral Tablet` is `acetaminophen / hydrocodone`."""
    parts = set()
    for part in name.lower().split(" / "):
        words = [re.sub(r"^\W+|\W+$", "", word) for word in part.split()]
        while words and (words[0] in BEFORE or re.search(r"\d", words[0])):
            words.pop(0)
        strength = next((at for at, word in enumerate(words) if re.search(r"\d", word)), len(words))
        words = [word for word in words[:strength] if word]
        kept = [word for at, word in enumerate(words) if at == 0 or word not in SALTS_AND_FORMS]
        parts |= {" ".join(kept)} - {""}
    return " / ".join(sorted(parts)) or None


def is_drug(record, resource, drug):
    for concept in concepts(record, resource):
        called = [text(concept, "text"), *(display for _, _, display in codings(concept))]
        words = {word for one in called if one for word in re.split(r"[\W_]+", one.lower())}
        if words & set(drug["names"]) or {(SYSTEMS["rxnorm"], code) for code in drug["rxnorm"]} & {
                (system, code) for system, code, _ in codings(concept)}:
            return True
    return False
