"""Reads a structured report with highdicom as TID 1500, and compares it with the FHIR bundle beside it where there is one;
or an overlay as an image, and compares it with the structured report beside it.

Called by scripts/check-dicom. Says what is wrong on standard error; says nothing where nothing is.
"""

import json
import sys
from pathlib import Path

import highdicom as hd
import pydicom
from pydicom.sr.codedict import codes

PRESENCE = {"52101004", "82334004", "2667000"}


def main(path: Path) -> int:
    problems = list(problems_of(path))
    for problem in problems:
        print(f"highdicom: {problem}", file=sys.stderr)
    return 1 if problems else 0


def problems_of(path: Path):
    dataset = pydicom.dcmread(path)
    if dataset.SOPClassUID == pydicom.uid.SecondaryCaptureImageStorage:
        yield from problems_of_overlay(dataset, path)
        return
    report = hd.sr.srread(path)
    if not isinstance(report, hd.sr.Comprehensive3DSR):
        yield f"is read as {type(report).__name__}"
        return
    if (dataset.CompletionFlag, dataset.VerificationFlag) != ("PARTIAL", "UNVERIFIED"):
        yield "is not partial and unverified"
    content = report.content
    if not isinstance(content, hd.sr.MeasurementReport):
        yield f"its content is read as {type(content).__name__}, not as TID 1500"
        return
    observers = content.get_observer_contexts(observer_type=codes.DCM.Device)
    if len(observers) != 1:
        yield f"has {len(observers)} device observers instead of one"
    groups = content.get_image_measurement_groups()
    uids = [group.tracking_uid for group in groups]
    if len(set(uids)) != len(uids) or not all(uids):
        yield "tracking UIDs are missing or shared"
    for group in groups:
        names = {item.name.value for item in group[0].ContentSequence}
        for needed in ("111001", "111003"):
            if needed not in names:
                yield f"{group.tracking_identifier}: no algorithm identification ({needed})"
    bundle = path.with_name("bundle.json")
    if not bundle.exists():
        bundle = path.with_suffix(".json")
    if bundle.exists():
        yield from differences(groups, json.loads(bundle.read_text()))


def problems_of_overlay(dataset, path: Path):
    """What is wrong with a picture: whether it can be seen, says what it is, and is the one that the report names."""
    image = hd.imread(path)
    pixels = image.get_raw_frame(1, as_index=False)
    if len(pixels) != dataset.Rows * dataset.Columns * 3 or dataset.pixel_array.std() < 1:
        yield "shows nothing"
    wanted = {"BurnedInAnnotation": "YES", "Modality": "OT", "ConversionType": "WSD"}
    for keyword, value in wanted.items():
        if dataset.get(keyword) != value:
            yield f"{keyword} is {dataset.get(keyword)}, not {value}"
    if list(dataset.ImageType) != ["DERIVED", "SECONDARY"]:
        yield f"is of the type {dataset.ImageType}"
    [source] = dataset.SourceImageSequence
    if source.PurposeOfReferenceCodeSequence[0].CodeValue != "121322":
        yield "does not say what its source is to it"
    report = path.with_name("report.dcm")
    if not report.exists():
        report = Path(str(path).replace(".overlay.dcm", ".dcm"))
    if report == path or not report.exists():
        return
    report = pydicom.dcmread(report)
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "IssuerOfPatientID",
                    "StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "TimezoneOffsetFromUTC"):
        if dataset.get(keyword) != report.get(keyword):
            yield f"{keyword} is another one than the structured report's"
    if dataset.SeriesInstanceUID == report.SeriesInstanceUID:
        yield "lies in the structured report's series"
    evidence = {
        instance.ReferencedSOPInstanceUID
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for instance in series.ReferencedSOPSequence
    }
    for uid in (dataset.SOPInstanceUID, source.ReferencedSOPInstanceUID):
        if uid not in evidence:
            yield f"{uid} is not among the structured report's evidence"


def differences(groups, bundle):
    """What the two renderings say differently."""
    said = {}
    for group in groups:
        uid = str(group[0].get("ObservationUID", ""))
        items = group[0].ContentSequence
        bounds = ("risk-low", "risk-high")
        numbers = [item for item in items if item.ValueType == "NUM" and item.name.value not in bounds]
        states = [item.value.value for item in items if item.ValueType == "CODE" and item.value.value in PRESENCE]
        value = None
        if numbers:
            value = float(numbers[0].MeasuredValueSequence[0].NumericValue)
        said[uid] = (value, states[0] if states else None)
    wanted = {}
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource.get("status") == "entered-in-error":
            continue  # taken back: the structured report says nothing of it any more
        if resource["resourceType"] == "Observation":
            identifier = resource["identifier"][0]["value"].removeprefix("urn:oid:")
            component = (resource.get("component") or [{}])[0]
            value = component.get("valueQuantity", {}).get("value")
            state = resource.get("valueCodeableConcept", {}).get("coding", [{}])[0].get("code")
            wanted[identifier] = (None if value is None else float(value), state)
        elif resource["resourceType"] == "RiskAssessment":
            identifier = f"2.25.{int(resource['id'].replace('-', ''), 16)}"
            value = resource["prediction"][0].get("probabilityDecimal")
            wanted[identifier] = (None if value is None else float(value), None)
    if said != wanted:
        for uid in sorted(set(said) | set(wanted)):
            if said.get(uid) != wanted.get(uid):
                yield f"{uid}: SR says {said.get(uid)}, FHIR says {wanted.get(uid)}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
