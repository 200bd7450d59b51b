//! A network that outlines, from its file of weights to what archives and records are given: its weights are set by hand so
//! that the bright pixels are inside, and the mask that is wanted can be told from the picture itself.

mod network;
mod outlined;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chiasm_tests::orthanc::{Orthanc, TITLES};
use chiasm_tests::{chiasm, lines, phantom, run};
use dicom_core::{DataElement, VR};
use dicom_dictionary_std::tags;
use dicom_ingest::limits::Limits;
use dicom_ingest::own::SEGMENTATION_CLASS;
use dicom_ingest::phantom::SIDE;
use dicom_object::InMemDicomObject;
use serde_json::Value;
use worker::deliver::{Parcel, Target as _};
use worker::ledger::{JobState, ReportBytes};

use self::network::{BRIGHT, INPUT, imported};
use super::pacs;

/// The phantom's file after `change`, and its pixels.
fn study(folder: &Path, change: impl FnOnce(&mut InMemDicomObject)) -> (PathBuf, Vec<u16>) {
    let original = dicom_object::from_reader(phantom(7).as_slice()).unwrap();
    let meta = original.meta().clone();
    let mut dataset: InMemDicomObject = original.into_inner();
    change(&mut dataset);
    let pixels = dataset.element(tags::PIXEL_DATA).unwrap().to_multi_int::<u16>().unwrap();
    fs::create_dir_all(folder).unwrap();
    let path = folder.join("image");
    dataset.with_exact_meta(meta).write_to_file(&path).unwrap();
    (path, pixels)
}

/// Analyses the study with the network and gives its line.
fn analyze(bundle: &Path, study: &Path, out: &Path, more: &[&str]) -> Value {
    let output = analysis(bundle, study, out).args(more).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    lines(&output).remove(0)
}

fn analysis(bundle: &Path, study: &Path, out: &Path) -> Command {
    let words = ["analyze", "--json", "--device", "cpu", "--pipeline", "bright", "--out"].map(Path::new);
    let mut command = Command::new(chiasm());
    command.args([&words[..], &[out, study]].concat()).env("CHIASM__PIPELINES__BRIGHT__PATH", bundle);
    command
}

fn file(line: &Value, kind: &str) -> PathBuf {
    PathBuf::from(line["files"][kind].as_str().unwrap_or_else(|| panic!("no {kind}: {line}")))
}

fn resources(bundle: &Value, kind: &str) -> Vec<Value> {
    let entries = bundle["entry"].as_array().unwrap().iter().map(|entry| entry["resource"].clone());
    entries.filter(|resource| resource["resourceType"] == kind).collect()
}

fn items(item: &InMemDicomObject, tag: dicom_core::Tag) -> Vec<InMemDicomObject> {
    let element = item.element_opt(tag).unwrap();
    element.and_then(|element| element.items().map(<[_]>::to_vec)).unwrap_or_default()
}

fn text(item: &InMemDicomObject, tag: dicom_core::Tag) -> String {
    let element = item.element_opt(tag).unwrap();
    let text = element.map(|element| element.to_str().unwrap().into_owned()).unwrap_or_default();
    text.trim_matches(['\0', ' ']).to_owned()
}

/// The pixels of a frame of a segmentation.
fn frame(segmentation: &InMemDicomObject, number: usize) -> Vec<bool> {
    let bytes = segmentation.element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap().into_owned();
    let pixel = |pixel: usize| {
        let at = number * SIDE * SIDE + pixel;
        bytes[at / 8] >> (at % 8) & 1 == 1
    };
    (0..SIDE * SIDE).map(pixel).collect()
}

/// Says what PixelSpacing is in the patient.
fn calibrated(dataset: &mut InMemDicomObject) {
    dataset.put(DataElement::new(tags::PIXEL_SPACING, VR::DS, "0.3\\0.3"));
    dataset.put(DataElement::new(tags::PIXEL_SPACING_CALIBRATION_TYPE, VR::CS, "FIDUCIAL"));
}

#[test]
fn the_mask_is_the_bright_pixels_and_everything_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = imported(folder.path(), SIDE);
    let (path, pixels) = study(&folder.path().join("study"), calibrated);
    let line = analyze(&bundle, &path, &folder.path().join("out"), &[]);
    let wanted: Vec<bool> = pixels.iter().map(|value| f64::from(*value) > BRIGHT).collect();
    let count = wanted.iter().filter(|inside| **inside).count();
    assert!(
        count > 1000 && count < SIDE * SIDE / 2,
        "the phantom changed: choose another threshold, {count}"
    );
    let area = count as f64 * 0.09;

    let segments = line["segments"].as_array().unwrap();
    assert_eq!(line["findings"], serde_json::json!([]));
    assert_eq!(
        (segments[0]["label"].as_str(), segments[0]["pixels"].as_u64()),
        (Some("bright"), Some(count as u64))
    );
    assert!((segments[0]["area_mm2"].as_f64().unwrap() - area).abs() < 0.006, "{line}");
    let rows: Vec<usize> =
        (0..SIDE * SIDE).filter(|pixel| wanted[*pixel]).map(|pixel| pixel / SIDE).collect();
    assert_eq!(segments[0]["bounds"]["top"].as_u64().unwrap(), rows[0] as u64);
    assert_eq!((segments[1]["pixels"].as_u64(), segments[1]["area_mm2"].as_f64()), (Some(0), Some(0.0)));
    assert!(segments[1]["probability"].is_null() && segments[1]["bounds"].is_null());
    assert!(line["files"].get("overlay").is_none(), "an outline is no saliency map: {line}");

    let seg = dicom_object::open_file(file(&line, "segmentation")).unwrap().into_inner();
    is_the_mask(&seg, &wanted);
    let source = dicom_object::open_file(&path).unwrap().into_inner();
    assert_eq!(text(&seg, tags::STUDY_INSTANCE_UID), text(&source, tags::STUDY_INSTANCE_UID));
    assert_ne!(text(&seg, tags::SERIES_INSTANCE_UID), text(&source, tags::SERIES_INSTANCE_UID));
    let uid = format!("urn:oid:{}", text(&seg, tags::SOP_INSTANCE_UID));
    let bundle: Value = serde_json::from_slice(&fs::read(file(&line, "bundle")).unwrap()).unwrap();
    fhir_says(&bundle, &uid, area);
    let sr = dicom_object::open_file(file(&line, "sr")).unwrap().into_inner();
    let wanted = BTreeMap::from([(1, format!("{area:.2}")), (2, "0.00".to_owned())]);
    assert_eq!(areas(&sr, &uid), wanted);
    let page = fs::read_to_string(file(&line, "html")).unwrap();
    let row = format!("data-segment=\"bright\" data-model=\"bright\" data-pixels=\"{count}\"");
    assert!(page.contains(&row));
    assert!(page.contains("Show what the model outlines") && page.contains("not checked by a person"));
}

/// A frame a segment: the first holds the pixels, the second none.
fn is_the_mask(seg: &InMemDicomObject, wanted: &[bool]) {
    assert_eq!(text(seg, tags::SOP_CLASS_UID), SEGMENTATION_CLASS);
    assert_eq!(text(seg, tags::NUMBER_OF_FRAMES), "2");
    assert!(frame(seg, 0) == wanted, "pixel by pixel");
    assert!(frame(seg, 1).iter().all(|inside| !inside), "looked for and not found");
    let described = items(seg, tags::SEGMENT_SEQUENCE);
    assert_eq!(text(&described[0], tags::SEGMENT_LABEL), "Bright region");
    assert_eq!(text(&described[1], tags::SEGMENT_ALGORITHM_NAME), "bright");
}

/// Two observations, both derived from the segmentation of this UID; the first of this area.
fn fhir_says(bundle: &Value, uid: &str, area: f64) {
    let documents = resources(bundle, "DocumentReference");
    let named = documents.iter().find(|one| one["identifier"][0]["value"] == uid).expect("the segmentation");
    let observations = resources(bundle, "Observation");
    assert_eq!(observations.len(), 2);
    let quantity = &observations[0]["valueQuantity"];
    assert_eq!(quantity["code"], "mm2");
    assert!((quantity["value"].as_f64().unwrap() - area).abs() < 0.006, "{quantity} {area}");
    assert_eq!(observations[0]["code"]["coding"][0]["code"], "42798000");
    assert_eq!(observations[0]["component"][1]["valueCodeableConcept"]["coding"][0]["code"], "51185008");
    let from = format!("urn:uuid:{}", named["id"].as_str().unwrap());
    for observation in &observations {
        assert_eq!(observation["derivedFrom"][1]["reference"], from.as_str());
        assert_eq!(observation["meta"]["security"][0]["code"], "AIAST");
    }
    let report = &resources(bundle, "DiagnosticReport")[0];
    assert_eq!(report["result"].as_array().unwrap().len(), 2);
    let conclusion = report["conclusion"].as_str().unwrap();
    assert!(conclusion.contains("outlines bright region"), "{conclusion}");
}

/// The areas of the structured report's groups of TID 1410 by the segment that each refers to.
fn areas(sr: &InMemDicomObject, uid: &str) -> BTreeMap<u16, String> {
    let root = items(sr, tags::CONTENT_SEQUENCE);
    let name = |item: &InMemDicomObject| {
        let code = items(item, tags::CONCEPT_NAME_CODE_SEQUENCE);
        code.first().map(|code| text(code, tags::CODE_VALUE)).unwrap_or_default()
    };
    let measurements = root.iter().find(|item| name(item) == "126010").unwrap();
    let mut areas = BTreeMap::new();
    for group in items(measurements, tags::CONTENT_SEQUENCE) {
        let content = items(&group, tags::CONTENT_SEQUENCE);
        let Some(referenced) = content.iter().find(|item| name(item) == "121214") else { continue };
        let referenced = items(referenced, tags::REFERENCED_SOP_SEQUENCE).remove(0);
        assert_eq!(format!("urn:oid:{}", text(&referenced, tags::REFERENCED_SOP_INSTANCE_UID)), uid);
        let area = content.iter().find(|item| name(item) == "42798000").unwrap();
        let measured = items(area, tags::MEASURED_VALUE_SEQUENCE).remove(0);
        let number = referenced.element(tags::REFERENCED_SEGMENT_NUMBER).unwrap().to_int::<u16>().unwrap();
        areas.insert(number, text(&measured, tags::NUMERIC_VALUE));
    }
    areas
}

#[test]
fn without_a_spacing_in_the_patient_no_size_is_stated_and_a_later_reading_takes_no_notice_of_ours() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = imported(folder.path(), INPUT);
    // the phantom states the distance on the detector alone
    let (path, pixels) = study(&folder.path().join("study"), |_| ());
    let line = analyze(&bundle, &path, &folder.path().join("out"), &["--language", "de"]);
    let segment = &line["segments"][0];
    assert!(segment["area_mm2"].is_null(), "{line}");
    // a quarter of the side: each of the network's pixels is the mean of sixteen, and edges lie between them
    let bright = pixels.iter().filter(|value| f64::from(**value) > BRIGHT).count() as f64;
    let found = segment["pixels"].as_f64().unwrap();
    assert!((found / bright - 1.0).abs() < 0.1, "{found} of {bright}");
    let fhir: Value = serde_json::from_slice(&fs::read(file(&line, "bundle")).unwrap()).unwrap();
    let observation = &resources(&fhir, "Observation")[0];
    assert_eq!(observation["dataAbsentReason"]["coding"][0]["code"], "unknown");
    assert!(observation.get("valueQuantity").is_none());
    let page = fs::read_to_string(file(&line, "html")).unwrap();
    assert!(page.contains("Größe nicht bekannt") && page.contains("Umriss einer Maschine"));

    // the same job again gives the same bytes; ours beside the image change nothing
    let beside = folder.path().join("study").join("segmentation-of-ours");
    let own = fs::read(file(&line, "segmentation")).unwrap();
    fs::write(&beside, &own).unwrap();
    let header = dicom_ingest::read::read_header(&own, &Limits::default()).unwrap();
    assert!(dicom_ingest::own::is_own(&header));
    let study = folder.path().join("study");
    let again = analyze(&bundle, &study, &folder.path().join("again"), &["--language", "de"]);
    for kind in ["bundle", "html", "pdf", "sr", "segmentation"] {
        assert!(fs::read(file(&line, kind)).unwrap() == fs::read(file(&again, kind)).unwrap(), "{kind}");
    }
}

#[test]
fn a_network_that_outlines_has_a_card_and_no_findings_to_explain() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = imported(folder.path(), INPUT);
    let said = |words: &[&str]| {
        let output = run(&[
            &[Path::new("models"), Path::new(words[0]), &bundle][..],
            &words[1..].iter().map(Path::new).collect::<Vec<_>>(),
        ]
        .concat());
        (
            output.status.code(),
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        )
    };
    let (code, shown) = said(&["show"]);
    assert!(code == Some(0) && shown.contains("49755003") && shown.contains("inside from 0.5"), "{shown}");
    let (code, verified) = said(&["verify", "--device", "cpu"]);
    assert!(code == Some(0) && verified.contains("self-test passed"), "{verified}");
    let picture = folder.path().join("picture.png");
    image::GrayImage::from_fn(64, 64, |x, y| image::Luma([u8::try_from((x * y) % 256).unwrap()]))
        .save(&picture)
        .unwrap();
    let (code, refused) = said(&[
        "explain",
        "--device",
        "cpu",
        "--picture",
        picture.to_str().unwrap(),
        "--label",
        "bright",
        "--out",
        folder.path().join("map").to_str().unwrap(),
    ]);
    assert!(code == Some(1) && refused.contains("ScoreSegments"), "{refused}");
}

#[test]
fn a_distance_counts_only_where_it_is_one_in_the_patient() {
    let folder = tempfile::tempdir().unwrap();
    let spacing = |name: &str, stated: &[(dicom_core::Tag, VR, &str)]| {
        let change = |dataset: &mut InMemDicomObject| {
            for (tag, vr, text) in stated {
                dataset.put(DataElement::new(*tag, *vr, *text));
            }
        };
        let (path, _) = study(&folder.path().join(name), change);
        let file = fs::read(path).unwrap();
        dicom_ingest::read::read_header(&file, &Limits::default()).unwrap().spacing_in_patient()
    };
    // the phantom's detector has 0.36 mm
    let of = |text| (tags::PIXEL_SPACING, VR::DS, text);
    let fiducial = (tags::PIXEL_SPACING_CALIBRATION_TYPE, VR::CS, "FIDUCIAL");
    assert_eq!(spacing("detector", &[]), None);
    assert_eq!(spacing("same", &[of("0.36\\0.36")]), None);
    assert_eq!(spacing("rounded", &[of("0.36001\\0.36")]), None);
    assert_eq!(spacing("corrected", &[of("0.3\\0.31")]), Some([0.3, 0.31]));
    assert_eq!(spacing("calibrated", &[of("0.36\\0.36"), fiducial]), Some([0.36, 0.36]));
    assert_eq!(spacing("section", &[of("0.36\\0.36"), (tags::MODALITY, VR::CS, "CT")]), Some([0.36, 0.36]));
    for useless in ["0\\0", "-1\\1", "0.3", "x\\y"] {
        assert_eq!(spacing("useless", &[of(useless), fiducial]), None, "{useless}");
    }
}

/// Orthanc takes the segmentation over both ways, in the study of its image, and gives it back as it is.
#[tokio::test]
async fn an_archive_takes_the_segmentation_and_gives_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some(orthanc) = Orthanc::start_pacs(&folder.path().join("orthanc")) else { return };
    let bundle = imported(folder.path(), INPUT);
    let (path, _) = study(&folder.path().join("study"), calibrated);
    orthanc.store(&fs::read(&path).unwrap());
    let line = analyze(&bundle, &path, &folder.path().join("out"), &[]);
    let [sr, segmentation] = ["sr", "segmentation"].map(|kind| fs::read(file(&line, kind)).unwrap());
    let uid = |file: &[u8]| {
        let header = dicom_ingest::read::read_header(file, &Limits::default()).unwrap();
        header.sop_instance_uid.to_string()
    };
    let report = ReportBytes {
        ends: JobState::Reported,
        outcome: "{}".into(),
        bundle: None,
        html: Vec::new(),
        sr: Some(sr.clone()),
        overlay: None,
        segmentation: Some(segmentation.clone()),
    };
    let study_uid = line["study_uid"].as_str().unwrap();
    let parcel = Parcel {
        study_uid,
        job_key: "j",
        report_key: "r",
        report: &report,
        earlier: &[],
        sent_before: false,
    };
    let web = pacs::login(format!("http://{}/dicom-web", orthanc.http()), pacs::PATIENT);
    let receipts = web.deliver(&parcel).await.unwrap();
    assert_eq!(receipts.keys().collect::<Vec<_>>(), ["segmentation", "sr"]);
    pacs::dicom(orthanc.dicom(), TITLES.0, pacs::PATIENT).deliver(&parcel).await.unwrap();
    assert_eq!(
        orthanc.files(&uid(&segmentation)),
        std::slice::from_ref(&segmentation),
        "once, byte for byte"
    );
    assert_eq!(orthanc.files(&uid(&sr)), [sr]);
    assert_eq!(orthanc.counts(), (1, 3), "in the study of the image");
}
