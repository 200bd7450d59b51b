//! `chiasm inspect`: what a study is, what rules say to its series, and what would be read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

use chiasm_tests::{PATIENT_ID, data, lines, phantom, phantom_study, run};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use serde_json::Value;

/// A rule for CT with every condition, in the form of `worker/pipelines.toml`.
const RULES: &str = r#"
[[pipeline]]
id = "chest-ct"
version = "1"
description = "Thin axial slices of the chest"
model = "none-that-is-built-in"
[pipeline.series]
modalities = ["CT"]
body_parts = ["CHEST"]
orientations = ["axial"]
thickness_mm = { least = 0.5, most = 2.5 }
step_mm = { most = 3.0 }
kernels = ["B3?f"]
contrast = true
descriptions = ["*THIN*"]
not_descriptions = ["*SCOUT*"]
images = { least = 3, most = 100 }
may_be_unstated = ["body_part"]
"#;

/// What the slices are made of: drawing it takes longer than all the rest.
static PHANTOM: LazyLock<Vec<u8>> = LazyLock::new(|| phantom(3));

/// A series of slices that the rule accepts, and what is changed of it.
struct Slices {
    number: i32,
    orientation: &'static str,
    step: f64,
    count: u16,
    change: &'static [(dicom_core::Tag, VR, &'static str)],
}

const GOOD: Slices = Slices { number: 1, orientation: "1\\0\\0\\0\\1\\0", step: 1.5, count: 4, change: &[] };

fn write(folder: &Path, slices: &Slices) {
    fs::create_dir_all(folder).unwrap();
    for index in 0..slices.count {
        let mut object = dicom_object::from_reader(PHANTOM.as_slice()).unwrap();
        let uid = format!("2.25.{}{index}", slices.number);
        let position = format!("0\\0\\{}", f64::from(index) * slices.step);
        for (tag, vr, text) in [
            (tags::SOP_INSTANCE_UID, VR::UI, uid.as_str()),
            (tags::SERIES_INSTANCE_UID, VR::UI, &format!("2.25.7{}", slices.number)),
            (tags::SERIES_NUMBER, VR::IS, &slices.number.to_string()),
            (tags::INSTANCE_NUMBER, VR::IS, &index.to_string()),
            (tags::MODALITY, VR::CS, "CT"),
            (tags::SERIES_DESCRIPTION, VR::LO, "Thorax thin"),
            (tags::IMAGE_POSITION_PATIENT, VR::DS, &position),
            (tags::IMAGE_ORIENTATION_PATIENT, VR::DS, slices.orientation),
            (tags::PIXEL_SPACING, VR::DS, "0.7\\0.7"),
            (tags::SLICE_THICKNESS, VR::DS, "1.5"),
            (tags::CONVOLUTION_KERNEL, VR::SH, "b30F"),
            (tags::CONTRAST_BOLUS_AGENT, VR::LO, "Agent"),
        ] {
            object.put(DataElement::new(tag, vr, text));
        }
        for (tag, vr, text) in slices.change {
            object.put(DataElement::new(*tag, *vr, *text));
        }
        object.put(DataElement::new(tags::ROWS, VR::US, PrimitiveValue::from(16_u16)));
        object.put(DataElement::new(tags::COLUMNS, VR::US, PrimitiveValue::from(16_u16)));
        let pixels: Vec<u16> = (0..256).map(|value| value * 16).collect();
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())));
        object.write_to_file(folder.join(format!("{}-{index}", slices.number))).unwrap();
    }
}

fn inspect(paths: &[&Path], more: &[&str]) -> Output {
    let mut arguments = vec!["inspect".to_owned()];
    arguments.extend(paths.iter().map(|path| path.to_str().unwrap().to_owned()));
    arguments.extend(more.iter().map(|text| (*text).to_owned()));
    run(&arguments)
}

fn rules(folder: &Path) -> PathBuf {
    let path = folder.join("rules.toml");
    fs::write(&path, RULES).unwrap();
    path
}

#[test]
fn every_condition_of_a_rule_says_its_word_to_the_series_that_does_not_meet_it() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("study");
    let changed = |number, change| Slices { number, change, ..GOOD };
    let cases: [(Slices, &str); 11] = [
        (changed(2, &[(tags::MODALITY, VR::CS, "MR")]), "NotApplicableModality"),
        (changed(3, &[(tags::BODY_PART_EXAMINED, VR::CS, "HEAD")]), "NotApplicableBodyPart"),
        (Slices { number: 4, orientation: "1\\0\\0\\0\\0\\-1", ..GOOD }, "NotApplicableOrientation"),
        (changed(5, &[(tags::SLICE_THICKNESS, VR::DS, "5")]), "NotApplicableThickness"),
        (Slices { number: 6, step: 3.5, ..GOOD }, "NotApplicableSpacing"),
        (changed(7, &[(tags::CONVOLUTION_KERNEL, VR::SH, "B70f")]), "NotApplicableKernel"),
        (changed(8, &[(tags::CONTRAST_BOLUS_AGENT, VR::LO, "NONE")]), "NotApplicableContrast"),
        (changed(9, &[(tags::SERIES_DESCRIPTION, VR::LO, "Thin scout")]), "NotApplicableDescription"),
        (changed(10, &[(tags::SERIES_DESCRIPTION, VR::LO, "Thick")]), "NotApplicableDescription"),
        (Slices { number: 11, count: 2, ..GOOD }, "NotApplicableImages"),
        (changed(12, &[(tags::CONVOLUTION_KERNEL, VR::SH, "")]), "NotApplicableKernel"),
    ];
    write(&study, &GOOD);
    for (slices, _) in &cases {
        write(&study, slices);
    }
    let rules = rules(folder.path());
    let output = inspect(&[&study], &["--pipelines", rules.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let study = lines(&output).remove(0);
    let series = |number: i32| -> &Value {
        let all = study["series"].as_array().unwrap();
        all.iter().find(|series| series["number"] == number).unwrap()
    };
    let good = series(1);
    assert_eq!(good["pipelines"][0]["verdict"], "read_first", "{good}");
    assert_eq!(good["orientations"], serde_json::json!(["axial"]));
    assert!((good["step_mm"].as_f64().unwrap() - 1.5).abs() < 1e-9);
    assert_eq!(good["volume"], serde_json::json!([4, 16, 16]));
    assert_eq!(study["pipelines"][0]["series_uid"], "2.25.71");
    for (slices, code) in cases {
        // slices of a coronal series lie beside each other here, so more than one condition speaks
        let says = &series(slices.number)["pipelines"][0];
        assert_eq!(says["verdict"], "not_read", "{says}");
        let codes: Vec<&str> =
            says["objections"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
        assert!(codes.contains(&code) && (codes.len() == 1 || slices.number == 4), "{code}: {says}");
        assert!(says["words"].as_str().unwrap().contains(code), "{says}");
    }
}

#[test]
fn a_study_is_shown_as_a_tree_with_a_sheet_and_without_its_patient() {
    let folder = tempfile::tempdir().unwrap();
    let study = folder.path().join("study");
    let radiograph = phantom_study(&study, 3);
    write(&study.join("ct"), &GOOD);
    let cut = phantom(3)[..2000].to_vec();
    fs::write(study.join("cut"), cut).unwrap();
    let sheet = folder.path().join("sheet.png");
    let output = inspect(&[&study], &["--contact-sheet", sheet.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // the cut file is refused
    assert_eq!(output.status.code(), Some(3), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for said in [
        "2 series, 5 images, 1 file refused",
        "CT, axial, CHEST, 4 images",
        "\"Thorax thin\"",
        "16 x 16 pixels, 0.700 x 0.700 mm a pixel, kernel \"b30F\", with contrast agent, explicit little endian",
        "1.50 mm thick as stated, slices 1.500 mm apart as measured, a volume of 4 x 16 x 16",
        "chest-radiograph: not read: modality `CT` is not one the model reads (CR, DX) (NotApplicableModality)",
        "chest-radiograph: read first: instance ",
        "(Truncated)",
        "└─ chest-radiograph reads instance ",
    ] {
        assert!(text.contains(said), "`{said}` is not in\n{text}");
    }
    for canary in ["Canary", "Carla", PATIENT_ID, "1950", "20240506", "ACC3", "074Y"] {
        assert!(!text.contains(canary), "`{canary}` in\n{text}");
    }
    let sheet = image::open(&sheet).unwrap().into_luma8();
    assert_eq!((sheet.width(), sheet.height()), (1002, 374));
    // the worker's own choice is the same image
    let header = dicom_ingest::read::read_header(
        &fs::read(radiograph).unwrap(),
        &dicom_ingest::limits::Limits::default(),
    );
    let uid = header.unwrap().sop_instance_uid;
    assert!(text.contains(&format!("chest-radiograph reads instance {uid}")), "{text}");
    let out = folder.path().join("out");
    let study = study.to_str().unwrap();
    let analyzed = run(&["analyze", "--device", "cpu", "--json", "--out", out.to_str().unwrap(), study]);
    let line = lines(&analyzed).remove(0);
    let bundle = fs::read_to_string(line["files"]["bundle"].as_str().unwrap()).unwrap();
    assert!(bundle.contains(uid.as_str()), "{line}");
}

#[test]
fn what_comes_second_is_said_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    for (name, view, uid) in [("one", "AP", "2.25.1"), ("other", "PA", "2.25.2")] {
        let mut object = dicom_object::from_reader(PHANTOM.as_slice()).unwrap();
        object.put(DataElement::new(tags::VIEW_POSITION, VR::CS, view));
        // the phantom's own code would contradict it
        object.remove_element(tags::VIEW_CODE_SEQUENCE);
        object.put(DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, uid));
        object.put(DataElement::new(tags::SERIES_INSTANCE_UID, VR::UI, format!("{uid}.1").as_str()));
        object.write_to_file(folder.path().join(name)).unwrap();
    }
    let output = inspect(&[folder.path()], &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("read first: instance 2.25.2, view PA, of 1 here that may be read"), "{text}");
    assert!(
        text.contains("in reserve: instance 2.25.2 of another series has the preferred view (PA)"),
        "{text}"
    );
}

#[test]
fn exit_codes_mean_something() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(run(&["inspect", path]).status.code(), Some(3), "nothing is there");
    assert_eq!(run(&["inspect"]).status.code(), Some(2));
    assert_eq!(run(&["inspect", &format!("{path}/gone")]).status.code(), Some(2));
    phantom_study(folder.path(), 5);
    assert_eq!(run(&["inspect", path]).status.code(), Some(0));
    let bad = folder.path().join("bad.toml");
    for rules in
        ["", "[[pipeline]]\nid = 3", &RULES.replace("kernels", "kernel"), &RULES.replace("axial", "across")]
    {
        fs::write(&bad, rules).unwrap();
        let output = run(&["inspect", path, "--pipelines", bad.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{rules}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("bad.toml"), "{rules}");
    }
    let nowhere = format!("{path}/no/folder/sheet.png");
    assert_eq!(run(&["inspect", path, "--contact-sheet", &nowhere]).status.code(), Some(1));
}

/// Real series: what they are, as their makers and the volume references know it.
#[test]
fn real_series_are_named_for_what_they_are() {
    let (Some(ct), Some(mr)) = (data("ct-chest"), data("mr-prostate")) else { return };
    let output = inspect(&[&ct, &mr], &["--json"]);
    assert_eq!(output.status.code(), Some(3), "no pipeline reads CT or MR");
    let lines = lines(&output);
    let series: Vec<&Value> = lines.iter().filter_map(|line| line["series"].as_array()).flatten().collect();
    let named = |modality: &str, images: u64| {
        let found = series.iter().find(|one| one["modalities"][0] == modality && one["images"] == images);
        found.unwrap_or_else(|| panic!("{modality} of {images} images is not in {lines:?}"))
    };
    let ct = named("CT", 135);
    assert_eq!(ct["orientations"], serde_json::json!(["axial"]));
    assert_eq!(ct["volume"], serde_json::json!([135, 512, 512]));
    assert!(series.iter().any(|one| one["modalities"][0] == "PT" && one["orientations"][0] == "axial"));
    assert!(series.iter().any(|one| one["modalities"][0] == "MR" && one["orientations"][0] == "axial"));
    for one in series {
        for says in one["pipelines"].as_array().unwrap() {
            assert_eq!(
                (&says["verdict"], &says["objections"][0]["code"]),
                (&"not_read".into(), &"NotApplicableModality".into())
            );
        }
    }
}
