"""HL7's validator, as HAPI runs it: `$validate` of everything that the report holds together."""

from .server import Wrong, issues

# Not wrong: the code systems in HAPI's jar are of R4's and R5's day. AIAST came into HL7's terminology after both, and
# DICOM's concept for what explains a finding (PS3.16 Annex D) after R4.
YOUNGER = {
    "R4": (
        "Unknown code 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue#AIAST'",
        "Unknown code 'http://dicom.nema.org/resources/ontology/DCM#130401'",
    ),
    "R5": ("Unknown code 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue#AIAST'",),
}

# Kinds that a report of ours names.
NAMED = ("Observation", "RiskAssessment", "Device", "DocumentReference", "Provenance", "ImagingStudy", "Task")


def wrong_in(server, place):
    """Validates the report and what it names; raises where an error is found, and gives what was read."""
    resources = [server.get(place)]
    for kind in NAMED:
        resources += server.found(kind)
    ours = [one for one in resources if is_ours(one)]
    found = []
    for resource in ours:
        if server.release == "R5":
            as_text(resource)
        _, outcome = server.ask("POST", f"{resource['resourceType']}/$validate", resource)
        errors = [one for one in outcome.get("issue", []) if one["severity"] in ("error", "fatal")]
        errors = [one for one in errors if not is_younger(one, server.release)]
        if errors:
            found.append(f"{resource['resourceType']}/{resource['id']}: {issues({'issue': errors})}")
    if found:
        raise Wrong("\n        ".join(found))
    return f"{len(ours)} resources"


def is_younger(issue, release):
    """Whether an error is only that the server knows no code that is younger than its release."""
    return any(code in issue.get("diagnostics", "") for code in YOUNGER[release])


def as_text(value):
    """HAPI gives an `integer64` as a number, and its validator wants the text that R5 asks for and the program writes."""
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(value, dict) and "contentType" in value and isinstance(value.get("size"), int):
        value["size"] = str(value["size"])
    for member in members:
        as_text(member)


def is_ours(resource):
    """What the program wrote; the record's own resources are others'."""
    return len(resource.get("id", "")) == 36 or resource["resourceType"] == "ImagingStudy"
