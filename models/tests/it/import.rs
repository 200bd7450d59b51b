//! Files of weights as PyTorch, TorchXRayVision, MONAI and safetensors write them; and files that were made to harm.

use std::path::{Path, PathBuf};

use models::import::{ImportError, Imported, import};
use models::network::Architecture;
use models::network::densenet::DensenetConfig;
use models::network::resnet::ResnetConfig;
use models::network::unet::{BasicUnetConfig, UnetNorm};
use proptest::prelude::*;

use crate::formula;

pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/files").join(name)
}

pub(crate) fn resnet() -> Architecture {
    Architecture::Resnet(ResnetConfig { blocks: [1; 4], width: 4, ..ResnetConfig::resnet18(1, 3) })
}

fn densenet() -> Architecture {
    Architecture::Densenet(DensenetConfig {
        input_channels: 1,
        outputs: 18,
        blocks: [1, 2, 1, 1],
        growth: 4,
        stem_channels: 8,
        bottleneck: 2,
    })
}

fn unet() -> Architecture {
    Architecture::BasicUnet(BasicUnetConfig {
        input_channels: 1,
        outputs: 2,
        features: [2, 2, 4, 4, 8, 2],
        norm: UnetNorm::Instance,
        negative_slope: 0.1,
    })
}

/// Every tensor has the formula's values, rounded where the file has halves.
fn assert_is_formula(imported: &Imported, seed: u64, tolerance: f32) {
    assert!(!imported.state.is_empty());
    for (name, tensor) in &imported.state {
        let stated = formula::tensor(name, tensor.shape(), seed);
        for (found, stated) in tensor.values().iter().zip(stated.values()) {
            assert!((found - stated).abs() <= tolerance * stated.abs().max(1e-4), "{name}: {found} {stated}");
        }
    }
}

#[test]
fn each_kind_of_file_gives_the_same_weights() {
    let cases = [
        ("resnet.pt", resnet(), 21, ""),
        ("resnet-legacy.pth", resnet(), 21, ""),
        ("resnet-checkpoint.pt", resnet(), 21, "state_dict.module."),
        ("resnet.safetensors", resnet(), 21, ""),
        ("xrv-model.pt", densenet(), 22, ""),
        ("monai-densenet.pt", densenet(), 22, ""),
        ("monai-unet.pt", unet(), 23, "model."),
    ];
    for (name, architecture, seed, prefix) in cases {
        let imported = import(&file(name), &architecture).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(imported.prefix, prefix, "{name}");
        assert!(imported.converted.is_empty(), "{name}");
        assert_eq!(imported.sha256.len(), 64);
        assert_is_formula(&imported, seed, 0.0);
    }
}

#[test]
fn medmnist_names_and_halves_are_read_and_said() {
    let imported = import(&file("resnet-medmnist-half.pth"), &resnet()).unwrap();
    assert_eq!(imported.prefix, "net.");
    assert_eq!(imported.converted.len(), imported.state.len());
    assert_is_formula(&imported, 21, 1e-3);
}

#[test]
fn what_a_training_run_leaves_behind_is_named_and_left_aside() {
    let imported = import(&file("resnet-checkpoint.pt"), &resnet()).unwrap();
    assert!(imported.aside.iter().any(|name| name.starts_with("optimizer.")), "{:?}", imported.aside);
}

#[test]
fn operating_points_come_with_the_file() {
    let points = import(&file("xrv-model.pt"), &densenet()).unwrap().operating_points.unwrap();
    assert_eq!(points.len(), 18);
    assert!((points[0] - 0.1).abs() < 1e-6 && (points[17] - 0.9).abs() < 1e-6 && points[13].is_nan());
}

#[test]
fn every_tensor_that_does_not_fit_is_named() {
    let wider = |change: fn(&mut ResnetConfig)| {
        let Architecture::Resnet(mut config) = resnet() else { panic!("a ResNet") };
        change(&mut config);
        match import(&file("resnet.pt"), &Architecture::Resnet(config)).unwrap_err() {
            ImportError::Misfits { misfits } => misfits,
            other => panic!("{other}"),
        }
    };
    let misfits = wider(|config| config.outputs = 4);
    let shapes: Vec<&str> = misfits.misshapen.iter().map(|own| own.name.as_str()).collect();
    assert_eq!(shapes, ["fc.bias", "fc.weight"]);
    assert!(misfits.missing.is_empty() && misfits.unknown.is_empty());
    assert!(misfits.to_string().contains("fc.weight is [3, 32] and has to be [4, 32]"), "{misfits}");
    let misfits = wider(|config| config.blocks = [2, 1, 1, 1]);
    assert!(misfits.missing.iter().all(|name| name.starts_with("layer1.1.")) && misfits.missing.len() == 10);
    let misfits = wider(|config| config.width = 8);
    assert!(misfits.misshapen.len() > 20);
    // another family: nothing fits, and everything is named
    match import(&file("resnet.pt"), &densenet()).unwrap_err() {
        ImportError::Misfits { misfits } => {
            assert!(misfits.missing.contains(&"features.conv0.weight".to_owned()));
            assert!(misfits.unknown.contains(&"conv1.weight".to_owned()));
        }
        other => panic!("{other}"),
    }
}

/// Writes `bytes` to a file and imports it.
fn code(bytes: &[u8], architecture: &Architecture) -> Option<&'static str> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.pt");
    std::fs::write(&path, bytes).unwrap();
    import(&path, architecture).err().map(|error| error.code())
}

/// Pickles that run code where a pickle is run.
#[test]
fn a_pickle_that_would_run_code_is_only_parsed() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("ran");
    let command = format!("touch {}", mark.display());
    let reduce = format!("cos\nsystem\n(S'{command}'\ntR.").into_bytes();
    let exec = format!("\u{80}\u{2}c__builtin__\nexec\n(S'open(\"{}\",\"w\")'\ntR.", mark.display());
    let exec: Vec<u8> = exec.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let build = format!("ccollections\nOrderedDict\n(tR(S'x'\ncos\nsystem\n(S'{command}'\ntRs.").into_bytes();
    for bytes in [reduce, exec, build] {
        let refused = code(&bytes, &resnet()).unwrap();
        assert!(["ImportFormat", "ImportMisfits"].contains(&refused), "{refused}");
    }
    assert!(!mark.exists());
}

#[test]
fn files_that_claim_too_much_are_refused_at_once() {
    // a safetensors header longer than the file; a tensor of more bytes than the file; offsets that overlap
    let header = |json: &str| {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(json.as_bytes());
        bytes.extend_from_slice(&[0; 16]);
        bytes
    };
    let huge = r#"{"fc.bias":{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,16]}}"#;
    let beyond = r#"{"fc.bias":{"dtype":"F32","shape":[1000000],"data_offsets":[0,4000000]}}"#;
    let overlap = r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#;
    let long = [&0x0000_FFFF_FFFF_u64.to_le_bytes()[..], b"{}"].concat();
    for bytes in
        [header(huge), header(beyond), header(overlap), long, Vec::new(), vec![0x80, 2], vec![b'('; 5000]]
    {
        assert_eq!(code(&bytes, &resnet()), Some("ImportFormat"));
    }
    // a name with very many parts, each of which would be looked at, and one that would speak to a terminal
    for name in ["a.".repeat(600), "\\u001b[2J".to_owned()] {
        let json = format!(r#"{{"{name}":{{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}}}"#);
        assert_eq!(code(&header(&json), &resnet()), Some("ImportFormat"), "{name}");
    }
    // deep nesting and a length of four gigabytes
    let deep = [&[0x80_u8, 2][..], &vec![b']'; 100_000][..], b"."].concat();
    let long = [&[0x80_u8, 2, b'B'][..], &u32::MAX.to_le_bytes()[..], b"abc"].concat();
    for bytes in [deep, long] {
        assert_eq!(code(&bytes, &resnet()), Some("ImportFormat"));
    }
}

#[test]
fn an_architecture_outside_its_limits_is_refused_before_anything_is_made() {
    let resnet = |width| Architecture::Resnet(ResnetConfig { width, ..ResnetConfig::resnet18(1, 3) });
    for width in [0, usize::MAX] {
        assert_eq!(import(&file("resnet.pt"), &resnet(width)).unwrap_err().code(), "ArchitectureLimit");
        let recipe =
            models::import::recipe::Recipe { architecture: Some(resnet(width)), ..Default::default() };
        let error =
            models::import::recipe::bundle(&file("resnet.pt"), "resnet18", &recipe, None).unwrap_err();
        assert_eq!(error.code(), "ArchitectureLimit");
    }
}

#[test]
fn a_folder_and_a_missing_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("none.pt")] {
        assert_eq!(import(&path, &resnet()).unwrap_err().code(), "ImportRead");
    }
}

#[test]
fn weights_that_no_training_gives_are_refused() {
    let bytes = std::fs::read(file("resnet.safetensors")).unwrap();
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let with = |name: &str, value: f32| {
        let start = 8 + length + usize::try_from(header[name]["data_offsets"][0].as_u64().unwrap()).unwrap();
        let mut bytes = bytes.clone();
        bytes[start..start + 4].copy_from_slice(&value.to_le_bytes());
        code(&bytes, &resnet())
    };
    assert_eq!(with("fc.weight", f32::NAN), Some("ImportValue"));
    assert_eq!(with("conv1.weight", f32::INFINITY), Some("ImportValue"));
    assert_eq!(with("bn1.running_var", -1.0), Some("ImportValue"));
    assert_eq!(with("fc.weight", -1.0), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Bytes changed, cut and repeated anywhere: a typed error or the weights, never a panic.
    #[test]
    fn damaged_files_give_typed_errors(
        which in 0_usize..6,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let names = [
            "resnet.pt", "resnet-legacy.pth", "resnet-checkpoint.pt", "resnet.safetensors", "xrv-model.pt",
            "monai-unet.pt",
        ];
        let architecture = if which == 4 { densenet() } else if which == 5 { unet() } else { resnet() };
        let mut bytes = std::fs::read(file(names[which])).unwrap();
        for (place, byte) in edits {
            // half of the edits in the first kilobytes, where the structure is
            let length = if byte % 2 == 0 { bytes.len().min(4096) } else { bytes.len() };
            bytes[place.index(length)] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.pt");
        std::fs::write(&path, bytes).unwrap();
        match import(&path, &architecture) {
            Ok(imported) => prop_assert!(!imported.state.is_empty()),
            Err(error) => {
                prop_assert!(error.code().starts_with("Import"));
                prop_assert!(!error.to_string().contains("its reader stopped"), "a panic: {error}");
            }
        }
    }
}
