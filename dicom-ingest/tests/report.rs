//! What structured reports state: nodules and the prostate.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop where it fails")]

mod support;

use std::fs;
use std::path::Path;

use dicom_ingest::limits::Limits;
use dicom_ingest::refusal::RefusalCode;
use dicom_ingest::sr::{self, Composition, Fault, Lobe, ProstateFact, Side, SrNodule, SrProstate};
use support::data;
use support::file::{Element, Encoding, code, identified, items, plain, text};

const COMPREHENSIVE_3D_SR: &str = "1.2.840.10008.5.1.4.1.1.88.34";

fn item(relationship: &str, value_type: &str, name: Vec<Element>, more: Vec<Element>) -> Vec<Element> {
    let own = vec![
        text(0x40, 0xA010, "CS", relationship),
        text(0x40, 0xA040, "CS", value_type),
        items(0x40, 0xA043, vec![name]),
    ];
    [own, more].concat()
}

fn coded(name: Vec<Element>, value: Vec<Element>, content: Vec<Vec<Element>>) -> Vec<Element> {
    let mut more = vec![items(0x40, 0xA168, vec![value])];
    if !content.is_empty() {
        more.push(items(0x40, 0xA730, content));
    }
    item("CONTAINS", "CODE", name, more)
}

fn measured(name: Vec<Element>, value: &str, unit: &str) -> Vec<Element> {
    let measured = vec![text(0x40, 0xA30A, "DS", value), items(0x40, 0x08EA, vec![code("UCUM", unit, unit)])];
    item("CONTAINS", "NUM", name, vec![items(0x40, 0xA300, vec![measured])])
}

fn container(name: Vec<Element>, content: Vec<Vec<Element>>) -> Vec<Element> {
    item("CONTAINS", "CONTAINER", name, vec![items(0x40, 0xA730, content)])
}

fn group(content: Vec<Vec<Element>>) -> Vec<Element> {
    container(code("DCM", "125007", "Measurement Group"), content)
}

fn report(groups: Vec<Vec<Element>>, encoding: Encoding) -> Vec<u8> {
    let mut root = identified(COMPREHENSIVE_3D_SR);
    let measurements = container(code("DCM", "126010", "Imaging Measurements"), groups);
    root.extend(container(code("DCM", "126000", "Imaging Measurement Report"), vec![measurements]));
    root.push(text(0x40, 0xA493, "CS", "VERIFIED"));
    plain(&root, encoding)
}

fn finding(scheme: &str, value: &str) -> Vec<Element> {
    coded(code("DCM", "121071", "Finding"), code(scheme, value, "Nodule"), vec![])
}

fn site(value: &str, meaning: &str, content: Vec<Vec<Element>>) -> Vec<Element> {
    coded(code("SCT", "363698007", "Finding Site"), code("SCT", value, meaning), content)
}

fn long_axis(value: &str, unit: &str) -> Vec<Element> {
    measured(code("SCT", "103339001", "Long Axis"), value, unit)
}

fn read(bytes: &[u8]) -> Vec<SrNodule> {
    sr::read(bytes, &Limits::default()).unwrap().nodules
}

fn prostate(content: Vec<Vec<Element>>) -> SrProstate {
    sr::read(&report(content, Encoding::Explicit), &Limits::default()).unwrap().prostate
}

#[test]
fn a_nodule_with_all_its_facts() {
    let full = group(vec![
        item(
            "HAS OBS CONTEXT",
            "TEXT",
            code("DCM", "112039", "Tracking Identifier"),
            vec![text(0x40, 0xA160, "UT", "N1")],
        ),
        item(
            "HAS OBS CONTEXT",
            "UIDREF",
            code("DCM", "112040", "Tracking UID"),
            vec![text(0x40, 0xA124, "UI", "2.25.7")],
        ),
        finding("SCT", "27925004"),
        site(
            "45653009",
            "Upper lobe of lung",
            vec![coded(code("SCT", "272741003", "Laterality"), code("SCT", "7771000", "Left"), vec![])],
        ),
        long_axis("1.25", "cm"),
        measured(code("SCT", "103340004", "Short Axis"), "40", "mm"),
        coded(code("99X", "1", "Attenuation"), code("99X", "2", "Part-solid"), vec![]),
        coded(code("DCM", "111037", "Margins"), code("DCM", "112136", "Spiculated"), vec![]),
    ]);
    let second = group(vec![
        finding("SRT", "M-03010"),
        site("266005", "Structure of lower lobe of right lung", vec![]),
        measured(code("SCT", "81827009", "Diameter"), "6", "mm"),
        measured(code("SCT", "81827009", "Diameter"), "7.5", "mm"),
        coded(code("DCM", "111037", "Margins"), code("SCT", "82280004", "Smooth"), vec![]),
    ]);
    for encoding in [Encoding::Implicit, Encoding::Explicit, Encoding::Big, Encoding::Deflated] {
        let bytes = report(vec![full.clone(), second.clone()], encoding);
        assert!(sr::read(&bytes, &Limits::default()).unwrap().verified);
        let found = read(&bytes);
        let [one, two] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(one.tracking_id.as_deref(), Some("N1"));
        assert_eq!(one.tracking_uid.as_ref().unwrap().as_str(), "2.25.7");
        assert_eq!(one.diameter_mm, Some(12.5));
        assert_eq!((one.lobe, one.side), (Some(Lobe::Upper), Some(Side::Left)));
        assert_eq!((one.composition, one.spiculated), (Some(Composition::PartSolid), Some(true)));
        assert_eq!(two.diameter_mm, Some(7.5));
        assert_eq!((two.lobe, two.side), (Some(Lobe::Lower), Some(Side::Right)));
        assert_eq!((two.composition, two.spiculated), (None, Some(false)));
    }
}

#[test]
fn only_nodules_of_the_lung() {
    let thyroid =
        group(vec![finding("SCT", "27925004"), site("69748006", "Thyroid", vec![]), long_axis("9", "mm")]);
    let nowhere = group(vec![finding("SCT", "27925004"), long_axis("9", "mm")]);
    let by_itself = group(vec![finding("SCT", "427359005")]);
    let found = read(&report(vec![thyroid, nowhere, by_itself], Encoding::Explicit));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].diameter_mm, found[0].spiculated, found[0].composition), (None, None, None));
}

#[test]
fn nodules_of_an_earlier_examination_are_not_of_this_one() {
    let nodule = |millimetres: &str| group(vec![finding("SCT", "427359005"), long_axis(millimetres, "mm")]);
    let under = |scheme: &str, value: &str, meaning: &str| {
        // one level deeper too, as a comparison is laid out by series
        let inner = container(code("DCM", "126010", "Imaging Measurements"), vec![nodule("31")]);
        container(code(scheme, value, meaning), vec![nodule("30"), inner])
    };
    for earlier in [
        under("DCM", "121068", "Previous Findings"),
        under("DCM", "121066", "Prior Procedure Descriptions"),
        under("DCM", "121060", "History"),
        under("99X", "1", "Findings of the previous examination"),
    ] {
        let found = read(&report(vec![earlier, nodule("6")], Encoding::Explicit));
        let sizes: Vec<_> = found.iter().map(|nodule| nodule.diameter_mm).collect();
        assert_eq!(sizes, [Some(6.0)]);
    }
}

#[test]
fn a_report_names_the_documents_that_it_takes_the_place_of() {
    let document = vec![text(0x8, 0x1150, "UI", COMPREHENSIVE_3D_SR), text(0x8, 0x1155, "UI", "2.25.41")];
    let series = vec![items(0x8, 0x1199, vec![document]), text(0x20, 0xE, "UI", "2.25.40")];
    let study = vec![items(0x8, 0x1115, vec![series]), text(0x20, 0xD, "UI", "2.25.39")];
    let mut root = identified(COMPREHENSIVE_3D_SR);
    root.extend(container(code("DCM", "126000", "Imaging Measurement Report"), vec![]));
    root.push(items(0x40, 0xA360, vec![study]));
    let found = sr::read(&plain(&root, Encoding::Explicit), &Limits::default()).unwrap();
    let named: Vec<_> = found.predecessors.iter().map(dicom_ingest::uid::Uid::as_str).collect();
    assert_eq!(named, ["2.25.41"]);
}

#[test]
fn a_strange_unit_or_length_leaves_one_nodule_out_and_not_the_report() {
    let cases = [("12", "[in_i]", Fault::Unit), ("12", "1", Fault::Unit), ("-3", "mm", Fault::Value)];
    for (value, unit, fault) in [&cases[..], &[("5000", "mm", Fault::Value)]].concat() {
        let odd = group(vec![finding("SCT", "427359005"), long_axis("6", "mm"), long_axis(value, unit)]);
        let sound = group(vec![finding("SCT", "427359005"), long_axis("8", "mm")]);
        let bytes =
            report(vec![odd.clone(), sound, odd, gland(vec![volume("40", "mL")])], Encoding::Explicit);
        let found = sr::read(&bytes, &Limits::default()).unwrap();
        let sizes: Vec<_> = found.nodules.iter().map(|nodule| nodule.diameter_mm).collect();
        assert_eq!(
            (sizes, found.nodule_faults),
            (vec![None, Some(8.0), None], vec![fault]),
            "{value} {unit}"
        );
        assert_eq!(found.prostate.volume_ml, Some(40.0));
    }
    let image = plain(&identified("1.2.840.10008.5.1.4.1.1.1"), Encoding::Explicit);
    assert_eq!(sr::read(&image, &Limits::default()).unwrap_err().code, RefusalCode::MissingAttribute);
}

#[test]
fn reports_of_other_makers() {
    let Some(folder) = data::folder("dicom-corpus") else { return };
    let read = |path: &str| read(&fs::read(folder.join(path)).unwrap());
    for path in [
        "highdicom/data/test_files/sr_document.dcm",
        "dcmqi/data/sr-example/sr.dcm",
        "robyoung/data/pydicom/reportsi.dcm",
        "robyoung/data/pydicom/test-SR.dcm",
    ] {
        assert_eq!(read(path), [], "{path}");
    }
    // Of four measurement groups, one is a nodule of the lung; one is the aorta, with a diameter too.
    let found = read("highdicom/data/test_files/sr_document_with_multiple_groups.dcm");
    let [nodule] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((nodule.tracking_id.as_deref(), nodule.diameter_mm), (Some("LungNodule0001"), Some(10.0)));
    assert_eq!((nodule.lobe, nodule.spiculated), (None, None));
}

fn written(name: &str) -> SrProstate {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/prostate");
    let report = sr::read(&fs::read(folder.join(name)).unwrap(), &Limits::default()).unwrap();
    assert!(report.verified && report.nodules.is_empty());
    assert_eq!(report.written.unwrap().date.to_string(), "2024-05-02");
    report.prostate
}

/// Each lesion's category and the codes of its sites.
fn located(found: &SrProstate) -> Vec<(u8, Vec<&str>)> {
    found
        .lesions
        .iter()
        .map(|lesion| (lesion.pi_rads, lesion.sites.iter().map(|site| site.value.as_str()).collect()))
        .collect()
}

/// Written by highdicom, see `reference/make_prostate_reports.py`.
#[test]
fn a_prostate_as_highdicom_writes_it() {
    let of_lesions = written("lesions.dcm");
    assert_eq!((of_lesions.pi_rads, of_lesions.volume_ml), (Some(4), Some(48.5)), "no lesion is the gland");
    assert_eq!((of_lesions.psa, &of_lesions.faults), (None, &vec![]));
    let mut sites = located(&of_lesions);
    sites.sort();
    assert_eq!(sites, [(3, vec!["279706003"]), (4, vec!["41216001"])]);
    let of_template = written("template.dcm");
    assert_eq!(of_template.pi_rads, Some(3), "neither that of a sequence nor that of the examination before");
    assert_eq!(located(&of_template), [(3, vec!["716920008"])], "the overall category lies nowhere");
    assert_eq!(of_template.volume_ml, Some(40.0));
    let psa = of_template.psa.unwrap();
    assert_eq!((psa.ng_ml, psa.taken.unwrap().to_string().as_str()), (7.5, "2024-04-20"));
    assert_eq!(of_template.faults, []);
}

fn pi_rads(value: &str) -> Vec<Element> {
    coded(
        code("RADLEX", "RID50295", "PI-RADS Lesion Assessment Category"),
        code("RADLEX", value, "?"),
        vec![],
    )
}

fn volume(value: &str, unit: &str) -> Vec<Element> {
    measured(code("SCT", "118565006", "Volume"), value, unit)
}

fn psa(value: &str, unit: &str) -> Vec<Element> {
    measured(code("LN", "2857-1", "PSA"), value, unit)
}

fn gland(content: Vec<Vec<Element>>) -> Vec<Element> {
    let organ = coded(code("DCM", "121071", "Finding"), code("SRT", "T-D0060", "Organ"), vec![]);
    group([vec![organ, site("41216001", "Prostate", vec![])], content].concat())
}

#[test]
fn a_prostate_in_other_words() {
    let words = |name: &str, value: &str| coded(code("99X", "1", name), code("99X", "2", value), vec![]);
    for (item, category) in [
        (words("PI-RADS", "PI-RADS 4"), Some(4)),
        (words("PI-RADS v2.1 category", "5 - Very high"), Some(5)),
        (words("PIRADS score", "2"), Some(2)),
        (measured(code("RADLEX", "RID50295", ""), "3", "1"), Some(3)),
        (measured(code("99X", "1", "PI-RADS"), "4", "{score}"), Some(4)),
        (
            item(
                "CONTAINS",
                "TEXT",
                code("99X", "1", "PI-RADS"),
                vec![text(0x40, 0xA160, "UT", "PI-RADS: 4")],
            ),
            Some(4),
        ),
        (words("PI-RADS", "PI-RADS X - Inadequate or absent"), None),
        (words("Reporting system", "PI-RADS v2.1"), None),
        (words("PI-RADS DWI", "4"), None),
        (words("Prior PI-RADS", "5"), None),
        (words("BI-RADS", "BI-RADS 4"), None),
        (container(code("DCM", "121060", "History"), vec![words("PI-RADS", "5")]), None),
    ] {
        let found = prostate(vec![item.clone()]);
        assert_eq!((found.pi_rads, found.faults), (category, vec![]), "{item:?}");
    }
    let found = prostate(vec![gland(vec![volume("41000", "mm3"), volume("42.5", "mL")]), psa("6.2", "ug/L")]);
    assert_eq!((found.volume_ml, found.psa.unwrap().ng_ml, found.faults), (Some(42.5), 6.2, vec![]));
    let own = measured(code("99X", "1", "Prostate volume"), "38", "cm3");
    assert_eq!(prostate(vec![own]).volume_ml, Some(38.0));
}

#[test]
fn what_is_not_the_whole_gland_is_no_volume_of_it() {
    let zone = group(vec![
        finding("SRT", "T-D0060"),
        site("399384005", "Transition zone of the prostate", vec![]),
        volume("20", "mL"),
    ]);
    let lesion =
        group(vec![finding("SCT", "52988006"), site("41216001", "Prostate", vec![]), volume("9", "mL")]);
    let liver = group(vec![finding("SRT", "T-D0060"), site("10200004", "Liver", vec![]), volume("99", "mL")]);
    let nameless = group(vec![site("41216001", "Prostate", vec![]), volume("30", "mL")]);
    assert_eq!(prostate(vec![zone, lesion, liver, nameless, volume("50", "mL")]), SrProstate::default());
    let others = ["PSA density", "Free PSA", "PSA velocity"];
    let others = others.map(|name| measured(code("LN", "15325-4", name), "1", "ng/mL"));
    let found = prostate(others.into());
    assert_eq!(found.psa, None);
}

#[test]
fn facts_of_a_prostate_that_cannot_be_are_named_and_not_taken() {
    let odd = |found: SrProstate, fact, fault| {
        assert_eq!((found.pi_rads, found.volume_ml, found.psa), (None, None, None));
        assert_eq!(found.faults, [(fact, fault)]);
    };
    for value in ["7", "0", "3.5", "-1"] {
        odd(
            prostate(vec![measured(code("99X", "1", "PI-RADS"), value, "1")]),
            ProstateFact::PiRads,
            Fault::Value,
        );
    }
    odd(prostate(vec![measured(code("99X", "1", "PI-RADS"), "4", "mm")]), ProstateFact::PiRads, Fault::Unit);
    let strange = coded(code("DCM", "130560", "PI-RADS"), code("99X", "9", "PI-RADS 9"), vec![]);
    odd(prostate(vec![strange.clone(), strange]), ProstateFact::PiRads, Fault::Value);
    odd(prostate(vec![psa("7.5", "mg/L")]), ProstateFact::Psa, Fault::Unit);
    odd(prostate(vec![psa("7.5", "1")]), ProstateFact::Psa, Fault::Unit);
    odd(prostate(vec![psa("-7.5", "ng/mL")]), ProstateFact::Psa, Fault::Value);
    odd(prostate(vec![psa("7.5", "ng/mL"), psa("9.1", "ng/mL")]), ProstateFact::Psa, Fault::Several);
    odd(prostate(vec![gland(vec![volume("0.04", "mL")])]), ProstateFact::Volume, Fault::Value);
    odd(prostate(vec![gland(vec![volume("40", "cm")])]), ProstateFact::Volume, Fault::Unit);
    odd(
        prostate(vec![gland(vec![volume("40", "mL"), volume("60", "mL")])]),
        ProstateFact::Volume,
        Fault::Several,
    );
    for value in ["nan", "inf", "1e400", "", "4\\5x"] {
        let found = prostate(vec![psa(value, "ng/mL"), gland(vec![volume(value, "mL")])]);
        assert_eq!((found.psa, found.volume_ml), (None, None), "{value}");
    }
    // What can be taken is taken beside what cannot.
    let found = prostate(vec![pi_rads("RID50299"), pi_rads("RID50298"), psa("7.5", "mg/L")]);
    assert_eq!((found.pi_rads, found.faults), (Some(4), vec![(ProstateFact::Psa, Fault::Unit)]));
}

#[test]
fn a_lesion_lies_where_its_group_says_with_its_modifiers() {
    let third = coded(code("SCT", "106233006", "Topographical modifier"), code("99X", "1", "Apical"), vec![]);
    let at = |sites: Vec<Vec<Element>>| {
        group([vec![finding("SCT", "52988006")], sites, vec![pi_rads("RID50299")]].concat())
    };
    let zone = || site("279706003", "Peripheral zone of the prostate", vec![third.clone()]);
    assert_eq!(located(&prostate(vec![at(vec![zone()])])), [(4, vec!["279706003", "1"])]);
    let two = vec![at(vec![site("716920008", "", vec![]), site("716937001", "", vec![])])];
    assert_eq!(located(&prostate(two)), [(4, vec!["716920008", "716937001"])]);
    // without a site of its own, and beside a group that has one
    let found = prostate(vec![at(vec![]), at(vec![zone()]), pi_rads("RID50300")]);
    assert_eq!((found.pi_rads, located(&found).len()), (Some(5), 1));
}
