"""The person: age, sex, race, education, tobacco."""

from .record import Answer, codings, interval, listed, pairs, text, tokens, value_of
from .units import conversion

RACES = {"1002-5": "american-indian-or-alaska-native", "2028-9": "asian", "2054-5": "black",
         "2076-8": "native-hawaiian-or-pacific-islander", "2106-3": "white"}
CDC = "urn:oid:2.16.840.1.113883.6.238"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"
LEVELS = {"ELEM": 1, "SEC": 1, "HS": 2, "ASSOC": 3, "SCOL": 4, "BD": 5, "PB": 6, "GD": 6, "POSTG": 6}
EDUCATION = {"http://terminology.hl7.org/CodeSystem/v3-EducationLevel", "http://hl7.org/fhir/v3/EducationLevel"}


def features(schema, record):
    yield ("age", "last", None), age(record)
    gender = text(record.patient, "gender")
    known = gender in ("female", "male", "other")
    yield ("sex", "last", None), of_person(record, gender) if known else Answer(reason="not-recorded")
    yield ("race", "last", None), race(record)
    yield ("education", "last", None), education(schema, record)
    yield from tobacco(schema["smoking"], record)


def of_person(record, value):
    answer = Answer(value)
    answer.source = record.person
    return answer


def age(record):
    """Completed years in the zone; of a month its 15th, of a year the 1st of July."""
    written = text(record.patient, "birthDate")
    if not written or not interval(written, record.zone):
        return Answer(reason="not-recorded")
    year, month, day = ([int(part) for part in written.split("-")] + [None, None])[:3]
    born = (year, month or 7, day or (15 if month else 1))
    today = record.t0.tz_convert(record.zone)
    years = today.year - born[0] - ((today.month, today.day) < born[1:])
    return of_person(record, years) if 0 <= years <= 120 else Answer(reason="implausible")


def race(record):
    """Hispanic ethnicity first, else the one race."""
    def stated(name):
        return [(text(part["valueCoding"], "system"), text(part["valueCoding"], "code"))
                for extension in listed(record.patient, "extension") if text(extension, "url") == US_CORE + name
                for part in listed(extension, "extension")
                if text(part, "url") == "ombCategory" and "valueCoding" in part]
    if (CDC, "2135-2") in stated("ethnicity"):
        return of_person(record, "hispanic")
    races = stated("race")
    if len(races) != 1:
        return Answer(reason="ambiguous" if races else "not-recorded")
    system, code = races[0]
    found = RACES.get(code) if system == CDC else None
    return of_person(record, found) if found else Answer(reason="unmapped")


def education(schema, record):
    codes, reason = tokens(schema["education"]["codes"]), None
    for row in record.observed(codes).itertuples():
        kind, value = value_of(row.resource)
        levels = [LEVELS[code] for system, code, _ in codings(value) if system in EDUCATION and code in LEVELS] \
            if kind == "concept" else []
        if levels:
            return Answer(levels[0], row)
        reason = reason or ("unmapped" if kind == "concept" else "not-numeric")
    return Answer(reason=reason or record.why_unobserved(codes))


def tobacco(rules, record):
    status = smoking_status(rules, record)
    packs = amount(record, tokens(rules["pack_years"]), pack_years, 400, plain=True)
    daily = amount(record, tokens(rules["cigarettes_per_day"]), per_day, 200)
    smoked = amount(record, tokens(rules["years_smoked"]), years, 100)
    if smoked.value is None and packs.value is not None and daily.value:
        derived = packs.value / (daily.value / 20)
        if derived <= 100:
            smoked = Answer(derived, age=packs.age, others=[daily.source], changed=packs.changed or daily.changed)
            smoked.source = packs.source
            bounds = {packs.bound, {"below": "above", "above": "below"}.get(daily.bound)} - {None}
            smoked.bound = bounds.pop() if len(bounds) == 1 else None
    yield ("smoking-status", "last", None), status
    yield ("pack-years", "last", None), packs
    yield ("cigarettes-per-day", "last", None), daily
    yield ("years-smoked", "last", None), smoked
    yield ("years-quit", "last", None), quitting(rules, record, status)


def smoking_status(rules, record):
    """The latest answer that is one; `unknown` and foreign answers are passed over."""
    codes, reason = tokens(rules["status"]), None
    for row in record.observed(codes).itertuples():
        kind, value = value_of(row.resource)
        if kind != "concept":
            continue
        words = [word for word, listed_codes in rules["answers"].items() if pairs(value) & set(tokens(listed_codes))]
        known = [word for word in words if word != "unknown"]
        if known:
            return Answer(known[0], row)
        reason = reason or ("not-recorded" if words else "unmapped")
    return Answer(reason=reason or record.why_unobserved(codes))


def amount(record, codes, read, most, plain=False):
    """The latest number that is usable."""
    reason = None
    for row in record.observed(codes).itertuples():
        kind, value = value_of(row.resource)
        number, bound = None, None
        if kind == "quantity":
            number, bound = read(value), bound_of(value)
        elif kind == "integer" and plain:
            number = value
        if number is not None and 0 <= number <= most:
            return Answer(number, row, bound=bound)
        why = "not-numeric" if kind not in ("quantity", "integer") else "unit" if number is None else "implausible"
        reason = reason or why
    return Answer(reason=reason or record.why_unobserved(codes))


def bound_of(quantity):
    return {"<": "below", ">": "above"}.get((text(quantity, "comparator") or " ")[0])


def unit_of(quantity):
    """UCUM code and unit in lower case; a code of another system is none."""
    ucum = text(quantity, "system") in (None, "http://unitsofmeasure.org")
    return (text(quantity, "code") or "").lower() if ucum else "", (text(quantity, "unit") or "").lower()


def pack_years(quantity):
    """A number without a unit counts too: the question says what it is."""
    code, unit = unit_of(quantity)
    names = {joint.join(("pack", end)) for joint in ("-", " ", "", "_") for end in ("years", "year")}
    codes = {f"{{{name}}}" for name in names} | {"1", "{#}", "{pack}.a", "{packs}.a", ""}
    return quantity["value"] if code in codes and unit in codes | names | {"pack-yrs", "pack yrs", "py"} else None


def per_day(quantity):
    """Cigarettes a day; a number of packs, of cigars or of another time is none."""
    code, unit = unit_of(quantity)
    counted = {"{cigarettes}/d", "{cigarette}/d", "{cig}/d", "{cigs}/d"}
    words = {"cigarettes/day", "cigarettes per day", "cigarettes/d", "cigarette/day", "cigs/day", "cig/day", "per day",
             "/day", "#/day", "cpd"} | counted | {"/d", "{#}/d"}
    if code in counted:
        other = any(part in unit for part in ("pack", "box", "carton", "pipe", "gram", "week", "month", "year", "hour"))
        good = not other and ("cigar" not in unit or "cigaret" in unit)
    elif code in ("/d", "{#}/d"):
        good = unit in words | {""}
    else:
        good = code in ("", "1") and unit in words
    return quantity["value"] if good else None


def years(quantity):
    """A duration in years; code and unit must agree."""
    code, unit = unit_of(quantity)
    if "{" in code + unit or "pack" in unit or "cigar" in unit:
        return None
    spelled = {"years": "a", "year": "a", "yr": "a", "yrs": "a", "months": "mo", "month": "mo", "days": "d", "day": "d"}
    factors = [conversion(spelled.get(one, one), "a") if one else None for one in (code, unit)]
    if code and factors[0] is None or not code and factors[1] is None:
        return None
    found = factors[0] or factors[1]
    if code and unit and factors[1] and abs(factors[1][0] - found[0]) > 1e-12:
        return None
    return quantity["value"] * found[0]


def quitting(rules, record, status):
    """0 for who smokes now; else from the date of quitting; else as stated, and the completed years since."""
    if status.value == "current-smoker":
        answer = Answer(0, changed=status.changed)
        answer.source = status.source
        return answer
    if status.value == "never-smoker":
        return Answer(reason="not-recorded")
    dated = tokens(rules["quit_date"])
    for row in record.observed(dated).itertuples():
        kind, value = value_of(row.resource)
        period = interval(value.strip(), record.zone) if kind == "moment" else None
        if period:
            since = record.days(period[0] + (period[1] - period[0]) / 2) / 365.25
            if 0 <= since <= 100:
                return Answer(since, row)
    for row in record.observed(tokens(rules["time_since_quitting"])).itertuples():
        kind, value = value_of(row.resource)
        number = years(value) if kind == "quantity" else None
        if number is not None:
            since = number + completed(row.effective.tz_convert(record.zone), record.t0.tz_convert(record.zone))
            if 0 <= since <= 100:
                return Answer(since, row, bound=bound_of(value))
    return Answer(reason=record.why_unobserved(dated))


def completed(start, end):
    return max(0, end.year - start.year - ((end.month, end.day) < (start.month, start.day)))
