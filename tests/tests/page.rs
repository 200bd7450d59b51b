//! The page in a real browser: the overlay's switch, one sheet of paper, a phone, the dark, what is heard, and that nothing
//! that a study or a record says becomes part of it.

use std::fs;
use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chiasm_tests::chromium::Chromium;
use chiasm_tests::{PATIENT_ID, lines, phantom, record, run};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Markup, a way out of an attribute, what turns the reading direction: at most 64 characters, so that a header holds it.
const BREAKS_OUT: &str = "\"><img src=x onerror=alert(1)><script>alert(2)</script>\u{202e}x";

/// The demo's study and record, analysed: nodule facts, laboratory values, computed risks.
fn demo(folder: &Path, more: &[&str]) -> PathBuf {
    let out = folder.join("demo");
    let fixed = ["demo", "--device", "cpu", "--json", "--out"];
    let output = run(&fixed
        .into_iter()
        .chain([out.to_str().unwrap()])
        .chain(more.iter().copied())
        .collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(lines(&output)[0]["files"]["html"].as_str().unwrap())
}

fn browser() -> Option<(TempDir, Chromium)> {
    let folder = tempfile::tempdir().unwrap();
    let chromium = Chromium::start(folder.path())?;
    Some((folder, chromium))
}

/// Keeps a picture of the page for somebody to look at, where a folder is named for it.
#[expect(clippy::disallowed_methods, reason = "only this file asks where its pictures go")]
fn kept(name: &str, base64: &str) {
    let Ok(folder) = std::env::var("CHIASM_PAGE_PICTURES") else { return };
    fs::create_dir_all(&folder).unwrap();
    fs::write(Path::new(&folder).join(name), STANDARD.decode(base64).unwrap()).unwrap();
}

#[test]
fn the_overlay_is_switched_with_the_keyboard_and_nothing_else_happens() {
    let Some((folder, mut chromium)) = browser() else { return };
    let page = demo(folder.path(), &[]);
    chromium.screen(1280, 900, false);
    chromium.open(&page);
    let shown = "getComputedStyle(document.querySelector('.heat')).display + ' ' + \
                 getComputedStyle(document.querySelector('.looked')).display";
    assert_eq!(chromium.value(shown), "none none");
    assert_eq!(
        chromium.value("document.querySelector('.switch').labels.length"),
        1,
        "the switch has a label"
    );
    chromium.press("Tab", "Tab", "");
    assert_eq!(
        chromium.value("document.activeElement.id"),
        "overlay",
        "the first thing that the keyboard reaches"
    );
    chromium.value("document.querySelector('.switch').scrollIntoView()");
    let without = chromium.picture();
    chromium.press(" ", "Space", " ");
    assert_eq!(chromium.value(shown), "inline block");
    let with = chromium.picture();
    assert!(without != with, "the overlay is seen");
    chromium.press(" ", "Space", " ");
    assert_eq!(chromium.value(shown), "none none");
    chromium.press("Tab", "Tab", "");
    assert_eq!(chromium.value("document.activeElement.tagName"), "SUMMARY", "then the details");
    chromium.press("Enter", "Enter", "\r");
    assert_eq!(chromium.value("document.querySelector('details').open"), true);
    assert_eq!(chromium.misdeeds(), [""; 0]);
}

#[test]
fn the_sheet_is_one_page_of_paper_and_fits_a_phone() {
    let Some((folder, mut chromium)) = browser() else { return };
    for language in ["en", "de"] {
        let page = demo(&folder.path().join(language), &["--language", language]);
        chromium.screen(1280, 900, false);
        chromium.open(&page);
        let pdf = chromium.print();
        kept(&format!("{language}.pdf"), &pdf);
        assert_eq!(pages(&pdf), 1, "{language}: the demo's report is one sheet");
        assert_eq!(chromium.value("document.documentElement.lang"), language);
        let ground = "getComputedStyle(document.body).backgroundColor";
        let light = chromium.value(ground);
        chromium.screen(1280, 900, true);
        assert_ne!(chromium.value(ground), light, "{language}: the dark has a ground of its own");
        kept(&format!("{language}-dark.png"), &chromium.picture());
        for width in [320, 390, 768, 1280] {
            chromium.screen(width, 844, false);
            let wide = chromium.value("document.documentElement.scrollWidth");
            assert!(
                wide.as_u64().is_some_and(|wide| wide <= u64::from(width)),
                "{language} at {width}: {wide}"
            );
            kept(&format!("{language}-{width}.png"), &chromium.picture());
        }
        assert_eq!(chromium.misdeeds(), [""; 0], "{language}");
    }
}

#[test]
fn who_hears_the_page_gets_its_order_and_its_pictures() {
    let Some((folder, mut chromium)) = browser() else { return };
    let page = demo(folder.path(), &[]);
    chromium.open(&page);
    let heard = chromium.accessible();
    let of = |role: &str| -> Vec<&str> {
        heard.iter().filter(|(known, _)| known == role).map(|(_, name)| name.as_str()).collect()
    };
    assert_eq!(
        (of("main").len(), of("complementary").len(), of("contentinfo").len()),
        (1, 1, 0),
        "{heard:?}"
    );
    let headings = of("heading");
    assert_eq!(headings[..2], ["Chest radiograph", "Bottom line"]);
    let sections = of("region");
    assert!(headings.len() > 8 && sections.len() >= 6, "{headings:?} {sections:?}");
    for named in ["heading", "region", "table", "checkbox", "complementary"] {
        assert!(of(named).iter().all(|name| !name.is_empty()), "{named} without a name: {:?}", of(named));
    }
    let pictures: Vec<&str> = [of("image"), of("img")].concat();
    assert!(pictures.contains(&"Radiograph as it was read"), "{heard:?}");
    assert!(pictures.iter().any(|name| name.contains("of 100 such patients")), "{pictures:?}");
    // headings never skip a level
    let levels = chromium.value("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])");
    let levels: Vec<u64> = levels.as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    assert!(levels[0] == 1 && levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
}

/// Words of English that are no words of German; citations and names are capitalised or hold none of them.
const ENGLISH: [&str; 24] = [
    "the", "of", "and", "is", "are", "not", "with", "from", "this", "that", "which", "by", "has", "have",
    "been", "to", "on", "for", "its", "than", "below", "above", "unknown", "missing",
];

/// English sentences in a text without markup, line by line.
fn english(text: &str) -> Vec<&str> {
    let is_english = |line: &&str| {
        let mut words = line.split(|letter: char| !letter.is_alphanumeric());
        words.any(|word| ENGLISH.contains(&word))
    };
    text.lines().filter(is_english).collect()
}

#[test]
fn a_german_report_holds_no_english_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let page = demo(folder.path(), &["--language", "de"]);
    let plain = |text: &str| {
        let shown =
            text.split("<style>").map(|part| part.split("</style>").last().unwrap()).collect::<String>();
        shown
            .split('<')
            .map(|part| part.split_once('>').map_or(part, |(_, text)| text))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let english_page = demo(&folder.path().join("en"), &[]);
    let (german, other) = (fs::read_to_string(&page).unwrap(), fs::read_to_string(english_page).unwrap());
    assert_eq!(english(&plain(&german)), [""; 0]);
    assert!(english(&plain(&other)).len() > 40, "this test would see English");

    let bundle: Value =
        serde_json::from_slice(&fs::read(page.with_file_name("bundle.json")).unwrap()).unwrap();
    let mut words = Vec::new();
    said(&bundle, "", &mut words);
    assert!(words.len() > 100, "{}", words.len());
    for text in words {
        assert_eq!(english(&plain(&text)), [""; 0]);
    }

    // a study that is not read says why in German too
    let study = folder.path().join("hand");
    fs::create_dir(&study).unwrap();
    let mut object = dicom_object::from_reader(&phantom(71)[..]).unwrap();
    object.put(DataElement::new(tags::BODY_PART_EXAMINED, VR::CS, PrimitiveValue::from("HAND")));
    object.write_to_file(study.join("image")).unwrap();
    let out = folder.path().join("out");
    let fixed = ["analyze", "--device", "cpu", "--json", "--language", "de", "--out"].map(Path::new);
    let output = run(&fixed.into_iter().chain([out.as_path(), &study]).collect::<Vec<_>>());
    let line = &lines(&output)[0];
    assert_eq!(line["code"], "NotApplicableBodyPart");
    let refused = fs::read_to_string(line["files"]["html"].as_str().unwrap()).unwrap();
    assert_eq!(english(&plain(&refused)), [""; 0]);
    assert!(refused.contains("Körperteil"));
}

/// What a bundle says in words: not the code systems' own displays, not the card, which is an English document.
fn said(value: &Value, name: &str, words: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                said(value, member, words);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| said(item, name, words)),
        Value::String(text)
            if ["text", "conclusion", "div", "rationale", "mitigation", "title", "description"]
                .contains(&name) =>
        {
            words.push(text.clone());
        }
        _ => {}
    }
}

/// A study whose texts all try to become markup, and a record of the same patient whose texts do too.
#[test]
fn nothing_that_a_study_or_a_record_says_becomes_part_of_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let identifier = format!("{PATIENT_ID}\"><b>");
    let study = folder.path().join("study");
    fs::create_dir(&study).unwrap();
    fs::write(study.join("image"), hostile(&identifier)).unwrap();
    let bundle = folder.path().join("record.json");
    fs::write(&bundle, hostile_record(&identifier).to_string()).unwrap();
    let out = folder.path().join("out");
    let fixed = ["analyze", "--device", "cpu", "--json", "--record"].map(Path::new);
    let rest = [bundle.as_path(), Path::new("--out"), &out, &study];
    let output = run(&fixed.into_iter().chain(rest).collect::<Vec<_>>());
    let line = &lines(&output)[0];
    assert_eq!(line["state"], "reported", "{line}");
    let page = PathBuf::from(line["files"]["html"].as_str().unwrap());
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("&lt;script&gt;alert(2)&lt;/script&gt;[U+202E]x"), "it is shown as what it is");
    for markup in ["<script", "<img", "\u{202e}"] {
        assert!(!text.contains(markup), "{markup}");
    }
    let Some((_profile, mut chromium)) = browser() else { return };
    chromium.open(&page);
    for (expression, expected) in [
        ("document.scripts.length", json!(0)),
        ("document.querySelectorAll('img, b, iframe, object, embed, link, base, form').length", json!(0)),
        (
            "[...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => /^on/i.test(a.name))).length",
            json!(0),
        ),
        ("[...document.querySelectorAll('[style]')].length", json!(0)),
        (
            "[...document.querySelectorAll('[href]')].filter(e => !/^(#|data:image\\/png;base64,)/.test(e.getAttribute('href'))).length",
            json!(0),
        ),
        ("document.title", json!("Imaging report by Chiasm, preliminary")),
    ] {
        assert_eq!(chromium.value(expression), expected, "{expression}");
    }
    assert_eq!(chromium.misdeeds(), [""; 0]);
    // and were it there, the page's policy would not let it run
    chromium
        .value("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.broken=1\">')");
    assert_eq!(chromium.value("window.broken === undefined"), true);
    assert!(!chromium.misdeeds().is_empty(), "the policy says so in the console: this test would see it");
}

/// The phantom with hostile texts in every tag that the page can show.
fn hostile(identifier: &str) -> Vec<u8> {
    let mut object = dicom_object::from_reader(&phantom(70)[..]).unwrap();
    let name = format!("Canary{BREAKS_OUT}^Carla");
    for (tag, vr, value) in [
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192"),
        (tags::PATIENT_NAME, VR::PN, name.as_str()),
        (tags::PATIENT_ID, VR::LO, identifier),
        (tags::ISSUER_OF_PATIENT_ID, VR::LO, BREAKS_OUT),
        (tags::STUDY_DESCRIPTION, VR::LO, BREAKS_OUT),
        (tags::SERIES_DESCRIPTION, VR::LO, BREAKS_OUT),
        (tags::INSTITUTION_NAME, VR::LO, BREAKS_OUT),
        (tags::ACCESSION_NUMBER, VR::SH, "\"><b>1</b>"),
        (tags::STUDY_ID, VR::SH, "\"><b>1</b>"),
        (tags::PATIENT_COMMENTS, VR::LT, BREAKS_OUT),
        (tags::IMAGE_COMMENTS, VR::LT, BREAKS_OUT),
    ] {
        object.put(DataElement::new(tag, vr, PrimitiveValue::from(value)));
    }
    let mut bytes = Vec::new();
    object.write_all(&mut bytes).unwrap();
    bytes
}

fn hostile_record(identifier: &str) -> Value {
    record(|bundle| {
        let patient = &mut bundle["entry"][0]["resource"];
        patient["identifier"][0]["value"] = identifier.into();
        patient["name"][0]["family"] = format!("Canary{BREAKS_OUT}").into();
        let value = &mut bundle["entry"][1]["resource"];
        value["code"]["text"] = BREAKS_OUT.into();
        value["code"]["coding"][0]["display"] = BREAKS_OUT.into();
        value["note"] = json!([{"text": BREAKS_OUT}]);
        value["valueQuantity"]["unit"] = BREAKS_OUT.into();
    })
}

/// Pages of a PDF, in base64: each is an object of the type `Page`, which Chromium writes in the clear.
fn pages(pdf: &str) -> usize {
    let bytes = STANDARD.decode(pdf).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    text.match_indices("/Type /Page").filter(|(at, found)| !text[at + found.len()..].starts_with('s')).count()
}
