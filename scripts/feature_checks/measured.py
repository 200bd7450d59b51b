"""Measured values: the last one, statistics over windows, body mass index, ratios, and how a value moves."""

import math

import pandas as pd

from .record import SYSTEMS, Answer, pairs, text, value_of, word
from .units import fit

SLOPE_VALUES = 500  # a slope is made from so many at most, the latest
BOUND = {"<": "below", "<=": "below", ">": "above", ">=": "above"}


def theil_sen(days, values):
    """Median of the slopes of all pairs, a year."""
    days, values = list(days)[-SLOPE_VALUES:], list(values)[-SLOPE_VALUES:]
    if len(days) < 3 or max(days) - min(days) < 1:
        return None
    slopes = [(values[j] - values[i]) / ((days[j] - days[i]) / 365.25)
              for i in range(len(days)) for j in range(i + 1, len(days)) if days[i] != days[j]]
    return float(pd.Series(slopes).median())


class Series:
    """Usable values of a measurement, one for each time and the oldest first, and why the last unusable one is not."""

    def __init__(self, record, measurement):
        points, self.refused = [], None
        for row in record.known["Observation"].itertuples():
            found = stated(row.resource, measurement)
            if found is None:
                continue
            point = usable(found, measurement)
            if isinstance(point, str):
                self.refused = point
            else:
                points.append({"value": point[0], "bound": point[1], **row._asdict()})
        columns = ["value", "bound", "reference", "known", "effective", "changed", "age"]
        self.points = pd.DataFrame(points, columns=columns).drop_duplicates("effective", keep="last")
        codes = [SYSTEMS["loinc"] if "loinc" in one else SYSTEMS["snomed"] for one in measurement["codes"]]
        own = {(system, one.get("loinc", one.get("snomed"))) for system, one in zip(codes, measurement["codes"])}
        self.reason = self.refused or record.why("Observation", lambda one: bool(pairs(one.get("code")) & own))

    def __len__(self):
        return len(self.points)

    @property
    def last(self):
        row = next(self.points.tail(1).itertuples(), None)
        return row and row._replace(bound=word(row.bound))


def series_of(record, measurement):
    name = measurement["id"]
    if name not in record.series:
        record.series[name] = Series(record, measurement)
    return record.series[name]


def is_code(concept, site, code):
    wanted = (SYSTEMS["loinc"], code["loinc"]) if "loinc" in code else (SYSTEMS["snomed"], code["snomed"])
    in_place = "body_site" not in code or (SYSTEMS["snomed"], code["body_site"]) in pairs(site)
    return in_place and wanted in pairs(concept)


def stated(resource, measurement):
    """The part of an Observation that states the measurement, and by which code: itself, else a component."""
    codes, site, concept = measurement["codes"], resource.get("bodySite"), resource.get("code")
    by_text = (text(concept, "text") or "").lower() in measurement.get("texts", ()) and not pairs(concept)
    own = next((code for code in codes if is_code(concept, site, code)), codes[0] if by_text else None)
    if own:
        return resource, own
    return next(((part, code) for part in resource.get("component", []) for code in codes
                 if is_code(part.get("code"), site, code)), None)


def usable(found, measurement):
    """Value in the measurement's unit and whether it is a bound, or why it is not usable."""
    part, code = found
    kind, quantity = value_of(part)
    if kind != "quantity":
        return "not-numeric"
    conversion = fit(quantity, measurement, code.get("contradiction"))
    if conversion is None:
        return "unit"
    value = (quantity["value"] * conversion[0] + conversion[1]) * code.get("factor", 1)
    low, high = measurement["range"]
    return (value, BOUND.get(quantity.get("comparator"))) if low <= value <= high else "implausible"


def features(schema, record):
    """Every measured and derived feature: ((feature, statistic, window), answer)."""
    for measurement in schema["measurement"]:
        yield from measured(schema, record, measurement, measurement["group"])
    yield from body_mass_index(schema, record)
    by_id = {one["id"]: one for one in schema["measurement"]}
    for ratio in schema["ratio"]:
        yield (ratio["id"], "last", None), ratio_of(schema, record, ratio, by_id)
    for kinetic in schema["kinetic"]:
        yield (kinetic["id"], "last", None), moving(series_of(record, by_id[kinetic["of"]]), kinetic["statistic"])


def measured(schema, record, measurement, group):
    defaults, series, name = schema["defaults"][group], series_of(record, measurement), measurement["id"]
    last = series.last
    if last is None:
        yield (name, "last", None), Answer(reason=series.reason)
    elif last.age >= defaults["max_age_days"]:
        yield (name, "last", None), Answer(row=last, bound=last.bound, reason="stale")
    else:
        yield (name, "last", None), Answer(last.value, last, bound=last.bound)
    for window in defaults["windows_days"]:
        inside = series.points[series.points.age < window]
        for statistic, value, rows in statistics(inside):
            yield (name, statistic, window), Answer(value, others=() if value is None else rows.reference)


def statistics(inside):
    """(statistic, value, the points that it is made from); without a value nothing is there."""
    if inside.empty:
        yield from ((statistic, None, inside) for statistic in ("count", "mean", "min", "max", "slope", "delta"))
        return
    values = inside.value.astype(float)
    yield "count", len(inside), inside
    yield "mean", values.mean(), inside
    yield "min", values.min(), inside[values == values.min()].tail(1)
    yield "max", values.max(), inside[values == values.max()].tail(1)
    yield "slope", theil_sen(-inside.age, values), inside.tail(SLOPE_VALUES)
    delta = values.iloc[-1] - values.iloc[-2] if len(inside) > 1 else None
    yield "delta", delta, inside.tail(2)


def body_mass_index(schema, record):
    """As measured, else from the last weight and the last height."""
    rules = schema["body_mass_index"]
    direct = dict(measured(schema, record, rules["index"], "vital"))
    weight, height = series_of(record, rules["weight"]).last, series_of(record, rules["height"]).last
    if direct[("bmi", "last", None)].value is None and weight and height:
        value = weight.value / (height.value / 100) ** 2
        low, high = rules["index"]["range"]
        if weight.age < schema["defaults"]["vital"]["max_age_days"] and low <= value <= high:
            both = weight.changed or height.changed
            bound = joined(weight.bound, opposite(height.bound))
            direct[("bmi", "last", None)] = Answer(value, weight, others=[height.reference], changed=both, bound=bound)
    yield from direct.items()


def opposite(bound):
    return {"below": "above", "above": "below"}.get(bound)


def joined(one, other):
    """The bound of a quotient or product of two: the one of either, and none where they point apart."""
    return one or other if not (one and other) or one == other else None


def ratio_of(schema, record, ratio, by_id):
    over, under = (series_of(record, by_id[ratio[side]]).last for side in ("over", "under"))
    if over is None or under is None:
        return Answer(reason="not-recorded")
    oldest = schema["defaults"][by_id[ratio["over"]]["group"]]["max_age_days"]
    if abs(over.age - under.age) > ratio["max_gap_days"] or over.age >= oldest:
        return Answer(reason="stale")
    if under.value <= 0:
        return Answer(reason="implausible")
    older, newer = (over, under) if over.age >= under.age else (under, over)
    return Answer(over.value / under.value, older, others=[newer.reference], changed=over.changed or under.changed,
                  bound=joined(over.bound, opposite(under.bound)))


def moving(series, statistic):
    """Velocity a year, or the time of doubling in months."""
    days, values = -series.points.age.astype(float), series.points.value.astype(float)
    if statistic == "velocity":
        value = theil_sen(days, values)
    else:
        rise = theil_sen(days, [math.log(one) for one in values]) if len(values) and (values > 0).all() else None
        value = math.log(2) / (rise / 12) if rise and rise > 0 else None
    if value is None:
        return Answer(reason="not-recorded")
    return Answer(value, series.last, others=series.points.reference, changed=series.points.changed.any())
