"""Writes structured reports of the prostate with highdicom and pydicom, which know nothing of this reader.

Usage: make_prostate_reports.py FOLDER (Python 3 with highdicom 0.28, pydicom 3).

- `lesions.dcm`: TID 1500 as public collections of prostate MR are written: PI-RADS as a qualitative evaluation of each
  lesion, the whole gland as a group of its own, the volume of a lesion beside it.
- `template.dcm`: TID 4300: history with an antigen and its day, overall finding with category and volume, a lesion in its sector
  with the assessment of each sequence, and the findings of the examination before.
"""

import datetime
import pathlib
import sys

import highdicom
import pydicom
from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    Comprehensive3DSR,
    ContainerContentItem,
    DateContentItem,
    FindingSite,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    NumContentItem,
    ObservationContext,
    ObserverContext,
    PersonObserverIdentifyingAttributes,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TrackingIdentifier,
)
from pydicom.sr.codedict import codes

ROOT = "1.2.826.0.1.3680043.8.498.77"
WHEN = datetime.datetime(2024, 5, 2, 12, 0, 0)
CONTAINS = RelationshipTypeValues.CONTAINS


def image():
    """The instance that the reports are about: header facts alone."""
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", f"{ROOT}.1.1.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{ROOT}.1", f"{ROOT}.1.1"
    dataset.StudyDate, dataset.StudyTime, dataset.Modality = "20240502", "101112", "MR"
    dataset.PatientID, dataset.PatientName, dataset.PatientSex = "T1", "Test^Case", "M"
    dataset.PatientBirthDate, dataset.AccessionNumber, dataset.StudyID = "19590101", "", ""
    dataset.ReferringPhysicianName, dataset.Rows, dataset.Columns = "", 2, 2
    return dataset


def radlex(value, meaning):
    return CodedConcept(value, "RADLEX", meaning)


def write(folder, name, number, content):
    report = Comprehensive3DSR(
        evidence=[image()],
        content=content,
        series_number=9,
        series_instance_uid=f"{ROOT}.1.9",
        sop_instance_uid=f"{ROOT}.1.9.{number}",
        instance_number=number,
        manufacturer="chiasm tests",
        is_complete=True,
        is_final=True,
        is_verified=True,
        verifying_observer_name="Test^Reader",
        verifying_organization="Test",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )
    report.ContentDate, report.ContentTime = WHEN.strftime("%Y%m%d"), WHEN.strftime("%H%M%S")
    report.VerifyingObserverSequence[0].VerificationDateTime = WHEN.strftime("%Y%m%d%H%M%S")
    report.ContributingEquipmentSequence[0].ContributionDateTime = WHEN.strftime("%Y%m%d%H%M%S")
    report.InstanceCreationDate, report.InstanceCreationTime = report.ContentDate, report.ContentTime
    report.save_as(folder / name, enforce_file_format=True)


def group(number, finding, site, measurements=(), evaluations=()):
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=f"{ROOT}.2.{number}", identifier=f"group {number}"),
        finding_type=finding,
        finding_sites=[FindingSite(anatomic_location=site)],
        measurements=list(measurements),
        qualitative_evaluations=list(evaluations),
        source_images=[SourceImageForMeasurementGroup(image().SOPClassUID, image().SOPInstanceUID)],
    )


def volume(value, unit):
    return Measurement(name=codes.SCT.Volume, value=value, unit=unit)


def lesions(folder):
    asked = radlex("RID50295", "PI-RADS Lesion Assessment Category")
    zone = CodedConcept("279706003", "SCT", "Peripheral zone of the prostate")
    prostate = CodedConcept("41216001", "SCT", "Prostate")
    three, four = radlex("RID50298", "PI-RADS 3 - Intermediate (lesion)"), radlex("RID50299", "PI-RADS 4 - High (lesion)")
    cubic_millimetre = CodedConcept("mm3", "UCUM", "cubic millimeter")
    groups = [
        group(1, codes.SCT.Lesion, zone, [volume(480.0, cubic_millimetre)], [QualitativeEvaluation(asked, three)]),
        group(2, codes.SCT.Lesion, prostate, [volume(5200.0, cubic_millimetre)], [QualitativeEvaluation(asked, four)]),
        group(3, prostate, prostate, [volume(48.5, CodedConcept("cm3", "UCUM", "cubic centimeter"))]),
    ]
    context = ObservationContext(
        observer_person_context=ObserverContext(
            observer_type=codes.DCM.Person,
            observer_identifying_attributes=PersonObserverIdentifyingAttributes(name="Test^Reader"),
        )
    )
    report = MeasurementReport(
        observation_context=context,
        procedure_reported=CodedConcept("719178004", "SCT", "Multiparametric MRI of prostate"),
        imaging_measurements=groups,
    )
    write(folder, "lesions.dcm", 1, report[0])


def container(name, content, relationship=CONTAINS):
    item = ContainerContentItem(name=name, relationship_type=relationship)
    item.ContentSequence = highdicom.sr.ContentSequence(content)
    return item


def coded(name, value):
    return CodeContentItem(name=name, value=value, relationship_type=CONTAINS)


def template(folder):
    antigen = NumContentItem(
        name=CodedConcept("2857-1", "LN", "Prostate specific Ag"),
        value=7.5,
        unit=CodedConcept("ng/ml", "UCUM", "ng/ml"),
        relationship_type=CONTAINS,
    )
    antigen.ContentSequence = highdicom.sr.ContentSequence(
        [
            DateContentItem(
                name=CodedConcept("439771001", "SCT", "Date of event"),
                value=datetime.date(2024, 4, 20),
                relationship_type=RelationshipTypeValues.HAS_OBS_CONTEXT,
            )
        ]
    )
    density = NumContentItem(
        name=CodedConcept("15325-4", "LN", "Prostate specific Antigen Density"),
        value=0.19,
        unit=CodedConcept("ng/ml/cm3", "UCUM", "ng/ml/cm3"),
        relationship_type=CONTAINS,
    )
    gland = NumContentItem(
        name=codes.SCT.Volume, value=40.0, unit=CodedConcept("cm3", "UCUM", "cm3"), relationship_type=CONTAINS
    )
    overall = container(
        CodedConcept("130554", "DCM", "Overall Prostate Finding"),
        [coded(CodedConcept("130560", "DCM", "PI-RADS"), radlex("RID50291", "PI-RADS 3 - Intermediate")), gland],
    )
    sector = CodedConcept("716920008", "SCT", "Left anterior middle peripheral zone of prostate")
    lesion = container(
        CodedConcept("130555", "DCM", "Localized Prostate Finding"),
        [
            coded(CodedConcept("363698007", "SCT", "Finding Site"), sector),
            coded(
                CodedConcept("130560", "DCM", "PI-RADS Localized Abnormality Assessment"),
                radlex("RID50298", "PI-RADS 3 - Intermediate (lesion)"),
            ),
            coded(CodedConcept("130562", "DCM", "PI-RADS DWI Lesion Assessment"), radlex("RID50318", "PI-RADS 5 - DWI Very high")),
            # A maker who takes the code of the category for the sequence as well.
            coded(CodedConcept("130561", "DCM", "PI-RADS T2WI Lesion Assessment"), radlex("RID50300", "PI-RADS 5 - Very high (lesion)")),
        ],
    )
    before = container(
        CodedConcept("121068", "DCM", "Previous Findings"),
        [coded(CodedConcept("130560", "DCM", "PI-RADS"), radlex("RID50293", "PI-RADS 5 - Very high"))],
    )
    root = container(
        CodedConcept("126021", "DCM", "Multiparametric MRI of prostate"),
        [
            container(CodedConcept("11329-0", "LN", "History General"), [antigen, density]),
            container(CodedConcept("130553", "DCM", "Prostate Imaging Findings"), [overall, lesion]),
            before,
        ],
        None,
    )
    write(folder, "template.dcm", 2, root)


folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
lesions(folder)
template(folder)
