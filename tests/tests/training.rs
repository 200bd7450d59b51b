//! `chiasm models train` and `evaluate` as programs: a training run that is killed goes on to the same weights.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use chiasm_tests::chiasm as program;

/// Pictures of the drawn set to train on.
const TRAINING: usize = 96;
/// Pictures of the drawn set to validate on.
const VALIDATION: usize = 64;
/// Side of a picture in pixels.
const SIDE: usize = 12;
/// The signal of `kill -9`.
const SIGKILL: i32 = 9;

const CONFIG: &str = r#"
kind = "classifier"
[data]
format = "npz"
[recipe]
side = 12
epochs = 80
batch = 16
peak_rate = 3e-3
weight_decay = 0.05
gradient_norm = 2.0
average_decay = 0.9
held_out = 0.25
teacher_weight = 0.0
smoothing = 0.02
seed = 5
[recipe.architecture]
family = "resnet"
input_channels = 1
outputs = 1
stem = "small"
block = "basic"
blocks = [1, 1, 1, 1]
width = 4
[recipe.augmentation]
rotation_degrees = 10.0
seen = [0.8, 1.05]
stretch = 0.04
gamma = 0.3
contrast = [0.8, 1.25]
brightness = 0.06
noise = 0.03
mirror = false
[bundle]
id = "spots"
version = "0.0.1"
title = "Bright spots"
intended_use = "A test."
limits = []
training_data = "Drawn pictures."
licence = "none"
attribution = "none"
[[bundle.labels]]
name = "Spot"
title = "Spot"
"#;

#[test]
fn a_training_run_that_is_killed_goes_on_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let (config, data) = inputs(folder.path());
    let unbroken = folder.path().join("unbroken");
    let done = train(&config, &data, &unbroken, None).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let (killed, run) = (folder.path().join("killed"), folder.path().join("run"));
    let checkpoint = run.join("classifier-0.checkpoint");
    let mut child = train(&config, &data, &killed, Some(&run)).spawn().unwrap();
    while !checkpoint.exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended without a checkpoint");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(SIGKILL), "the run ended before it was killed");
    assert!(!killed.exists());

    let again = train(&config, &data, &killed, Some(&run)).output().unwrap();
    let log = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.success(), "{log}");
    assert!(log.contains("going on from a checkpoint"), "{log}");
    for file in ["weights.safetensors", "manifest.json", "card.md"] {
        assert!(
            fs::read(killed.join(file)).unwrap() == fs::read(unbroken.join(file)).unwrap(),
            "{file} differs"
        );
    }

    let other = folder.path().join("other.toml");
    fs::write(&other, CONFIG.replace("seed = 5", "seed = 6")).unwrap();
    let refused = train(&other, &data, &killed, Some(&run)).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("of another configuration or other data"));
}

/// No pictures, each of more pixels than can be counted.
#[test]
fn sides_that_no_picture_has_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (config, data) = inputs(folder.path());
    let arrays = [("train_images", "(0, 1099511627776, 1099511627776)"), ("train_labels", "(0, 1)")];
    let arrays = arrays.map(|(name, shape)| (format!("{name}.npy"), npy(shape, &[])));
    fs::write(&data, stored_zip(&arrays)).unwrap();
    let refused = train(&config, &data, &folder.path().join("bundle"), None).output().unwrap();
    let log = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && log.contains("are not pictures of 8 bit"), "{log}");
}

#[test]
fn a_trained_model_is_evaluated_with_figures() {
    let folder = tempfile::tempdir().unwrap();
    let (config, data) = inputs(folder.path());
    let bundle = folder.path().join("bundle");
    assert!(train(&config, &data, &bundle, None).status().unwrap().success());
    let out = folder.path().join("evaluation");
    let mut command = Command::new(program());
    command.args(["models", "evaluate", "--rounds", "50"]).arg(&config).arg("--data").arg(&data);
    let done = command.arg("--model").arg(&bundle).arg("--out").arg(&out).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("evaluation.json")).unwrap()).unwrap();
    assert_eq!(json["pictures"], VALIDATION);
    let area = json["labels"][0]["measures"]["auroc"]["value"].as_f64().unwrap();
    // a bright spot is seen by the least of networks
    assert!(area > 0.9, "{area}");
    for file in ["Spot.svg", "Spot.png", "evaluation.md"] {
        assert!(fs::metadata(out.join(file)).unwrap().len() > 500, "{file}");
    }
}

#[test]
fn a_table_of_scores_is_evaluated_and_small_groups_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("scores.csv");
    let mut text = "patient,group_sex,Mass,Mass_probability,Mass_threshold\n".to_owned();
    for i in 0..160 {
        let (sex, case) = (if i < 20 { "F" } else { "M" }, u8::from(i % 4 == 0));
        let percent = (i * 13 % 60) + 30 * i32::from(case);
        text.extend([format!("P{i},{sex},{case},0.{percent:02},0.4\n")]);
    }
    fs::write(&table, text).unwrap();
    let out = folder.path().join("evaluation");
    let mut command = Command::new(program());
    command.args(["models", "evaluate", "--rounds", "50", "--scores"]).arg(&table).arg("--out").arg(&out);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let report = fs::read_to_string(out.join("evaluation.md")).unwrap();
    assert!(report.contains("| sex F | - | - | not shown |"), "{report}");
    assert!(report.contains("| sex M | 140 | 35 |"), "{report}");
}

fn train(config: &Path, data: &Path, out: &Path, checkpoints: Option<&Path>) -> Command {
    let mut command = Command::new(program());
    command.args(["models", "train"]).arg(config).arg("--data").arg(data).arg("--out").arg(out);
    if let Some(folder) = checkpoints {
        command.arg("--checkpoints").arg(folder);
    }
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// The configuration and a drawn set: dark pictures, half of them with a bright spot.
fn inputs(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let (config, data) = (folder.join("spots.toml"), folder.join("spots.npz"));
    fs::write(&config, CONFIG).unwrap();
    let mut arrays = Vec::new();
    for (part, count) in [("train", TRAINING), ("val", VALIDATION)] {
        let pictures: Vec<u8> = (0..count).flat_map(picture).collect();
        let labels: Vec<u8> = (0..count).map(|i| u8::from(i % 2 == 0)).collect();
        arrays.push((format!("{part}_images.npy"), npy(&format!("({count}, {SIDE}, {SIDE})"), &pictures)));
        arrays.push((format!("{part}_labels.npy"), npy(&format!("({count}, 1)"), &labels)));
    }
    fs::write(&data, stored_zip(&arrays)).unwrap();
    (config, data)
}

fn picture(number: usize) -> Vec<u8> {
    let (x0, y0) = (3 + number * 5 % 6, 3 + number * 7 % 6);
    let pixel = |i: usize| {
        let (x, y) = (i % SIDE, i / SIDE);
        let spot = number.is_multiple_of(2) && x.abs_diff(x0) <= 1 && y.abs_diff(y0) <= 1;
        u8::try_from(40 + (i * 31 + number * 17) % 40 + if spot { 150 } else { 0 }).unwrap()
    };
    (0..SIDE * SIDE).map(pixel).collect()
}

fn npy(shape: &str, values: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values);
    bytes
}

/// A ZIP archive whose entries are stored; the check sums are left at zero, as the reader does not use them.
fn stored_zip(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    let long = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let short = |value: usize| u16::try_from(value).unwrap().to_le_bytes();
    for (name, content) in entries {
        let offset = bytes.len();
        let mut shared = Vec::new();
        shared.write_all(&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        shared.write_all(&long(content.len())).unwrap();
        shared.write_all(&long(content.len())).unwrap();
        shared.write_all(&short(name.len())).unwrap();
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&shared);
        bytes.extend([0, 0]);
        bytes.extend(name.bytes());
        bytes.extend(content);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&shared);
        directory.extend([0; 12]);
        directory.extend(long(offset));
        directory.extend(name.bytes());
    }
    let start = bytes.len();
    let size = directory.len();
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\x00\x00\x00\x00");
    bytes.extend(short(entries.len()));
    bytes.extend(short(entries.len()));
    bytes.extend(long(size));
    bytes.extend(long(start));
    bytes.extend([0, 0]);
    bytes
}
