"""Reads a structured report with highdicom as TID 1500, and compares it with the FHIR bundle beside it where there is one;
an overlay as an image, and compares it with the structured report beside it; or a segmentation, and compares its pixels and
areas with what page, bundle and structured report beside it say.

Called by scripts/check-dicom with all files. Says what is wrong on standard error, the file and a tab before it; says nothing
where nothing is.
"""

import json
import re
import sys
from pathlib import Path

import highdicom as hd
import pydicom
from pydicom.sr.codedict import codes

AREA = "42798000"
FINDING = "121071"
SCHEMES = {"http://snomed.info/sct": "SCT", "http://www.radlex.org": "RADLEX", "http://loinc.org": "LN"}
DIAMETER = "33728-7"
PRESENCE = {"52101004", "82334004", "2667000"}


def main(files: list[str]) -> int:
    found = 0
    for file in files:
        try:
            problems = list(problems_of(Path(file)))
        except Exception as error:
            problems = [f"cannot be read: {type(error).__name__}: {error}"]
        for problem in problems:
            found += 1
            print(f"{file}\thighdicom: {' '.join(str(problem).split())}", file=sys.stderr)
    return 1 if found else 0


def problems_of(path: Path):
    dataset = pydicom.dcmread(path)
    if dataset.SOPClassUID == pydicom.uid.SecondaryCaptureImageStorage:
        yield from problems_of_overlay(dataset, path)
        return
    if dataset.SOPClassUID == pydicom.uid.SegmentationStorage:
        yield from problems_of_segmentation(dataset, path)
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
    groups = content.get_image_measurement_groups() + content.get_planar_roi_measurement_groups()
    uids = [group.tracking_uid for group in groups]
    if len(set(uids)) != len(uids) or not all(uids):
        yield "tracking UIDs are missing or shared"
    for group in groups:
        names = {item.name.value for item in group[0].ContentSequence}
        # the index lesion is somebody else's measurement, cited
        for needed in ("111001", "111003") if group.tracking_identifier != "index-lesion" else ("stated-in",):
            if needed not in names:
                yield f"{group.tracking_identifier}: no {needed}: algorithm identification, or where it is stated"
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
    yield from beside(dataset, path, source.ReferencedSOPInstanceUID)


def neighbour(path: Path, kind: str, name: str, suffix: str):
    """The file of the same report: `name` in its folder, or the sample's with `suffix` in place of `kind`."""
    for other in (path.with_name(name), Path(str(path).replace(f".{kind}.dcm", suffix))):
        if other != path and other.exists():
            return other
    return None


def beside(dataset, path: Path, source: str):
    """What keeps an object apart from the structured report that names it."""
    kind = "overlay" if dataset.Modality == "OT" else "segmentation"
    report = neighbour(path, kind, "report.dcm", ".dcm")
    if report is None:
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
    for uid in (dataset.SOPInstanceUID, source):
        if uid not in evidence:
            yield f"{uid} is not among the structured report's evidence"


def problems_of_segmentation(dataset, path: Path):
    """What is wrong with a segmentation: whether highdicom reads it, each segment is described, and its pixels are those that
    page, bundle and structured report speak of."""
    segmentation = hd.seg.segread(path)
    wanted = {"SegmentationType": "BINARY", "Modality": "SEG"}
    for keyword, value in wanted.items():
        if dataset.get(keyword) != value:
            yield f"{keyword} is {dataset.get(keyword)}, not {value}"
    sources = {uids[2] for uids in segmentation.get_source_image_uids()}
    if len(sources) != 1:
        yield f"is of {len(sources)} source images"
        return
    [source] = sources
    masks = segmentation.get_pixels_by_source_instance([source], ignore_spatial_locations=False)[0]
    numbers = list(segmentation.segment_numbers)
    pixels = {}
    for index, number in enumerate(numbers):
        described = segmentation.get_segment_description(number)
        if described.algorithm_type != hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC:
            yield f"segment {number} is not said to be automatic"
        if not described.algorithm_identification.version:
            yield f"segment {number} names no version of its algorithm"
        if not described.tracking_uid:
            yield f"segment {number} cannot be followed"
        label = described.tracking_id.removeprefix("segment ")
        pixels[label] = int(masks[..., index].sum())
    yield from beside(dataset, path, source)
    page = neighbour(path, "segmentation", "report.html", ".html")
    if page is not None:
        rows = re.findall(r'data-segment="([^"]*)"[^>]*data-pixels="(\d+)"', page.read_text())
        if {label: int(count) for label, count in rows} != pixels:
            yield f"has {pixels} pixels, and the page says {rows}"
    report = neighbour(path, "segmentation", "report.dcm", ".dcm")
    if report is not None:
        groups = hd.sr.srread(report).content.get_planar_roi_measurement_groups()
        referred = sorted(int(group.referenced_segmentation_frame.referenced_segment_numbers[0]) for group in groups)
        if referred != numbers:
            yield f"has segments {numbers}, and the structured report refers to {referred}"


def codes_of(items):
    """What was found, in every code system that is named."""
    for item in items:
        if item.ValueType == "CODE" and item.name.value == FINDING:
            first = item.ConceptCodeSequence[0]
            every = [first, *first.get("EquivalentCodeSequence", [])]
            return {(one.CodingSchemeDesignator, one.get("CodeValue") or one.get("LongCodeValue")) for one in every}
    return set()


def differences(groups, bundle):
    """What the two renderings say differently."""
    said, concepts = {}, {}
    for group in groups:
        uid = str(group[0].get("ObservationUID", ""))
        items = group[0].ContentSequence
        concepts[uid] = codes_of(items)
        bounds = ("risk-low", "risk-high", "could-be-low", "could-be-high")
        numbers = [item for item in items if item.ValueType == "NUM" and item.name.value not in bounds]
        states = [item.value.value for item in items if item.ValueType == "CODE" and item.value.value in PRESENCE]
        value = None
        areas = [item for item in numbers if item.name.value == AREA]
        if any(item.name.value == AREA for item in items):
            numbers = areas
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
            if resource["code"]["coding"][0]["code"] in (AREA, DIAMETER):
                value = resource.get("valueQuantity", {}).get("value")
            codings = [one for one in resource["code"]["coding"] if one.get("system") in SCHEMES]
            listed = {(SCHEMES[one["system"]], one["code"]) for one in codings}
            if resource["code"]["coding"][0]["code"] not in (AREA, DIAMETER) and listed and listed != concepts.get(identifier):
                yield f"{identifier}: SR has the codes {concepts.get(identifier)}, FHIR has {listed}"
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
    sys.exit(main(sys.argv[1:]))
