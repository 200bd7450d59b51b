//! ConvNeXt, EfficientNet-Lite and the networks for volumes against torchvision's, `efficientnet_lite_pytorch`'s and MONAI's:
//! outputs, files of weights, and bundles.
//! `reference/make_networks.py` made outputs and files.

use burn::tensor::{Device, Tensor, TensorData};
use models::bundle::Contents;
use models::cpu::{Computed, Plan};
use models::import::recipe::{self, Recipe};
use models::import::{ImportError, import};
use models::network::architecture::Task;
use models::network::convnext::ConvnextConfig;
use models::network::efficientnet::EfficientnetLiteConfig;
use models::network::resnet3d::{Resnet3d, Resnet3dConfig, Shortcut};
use models::network::unet::BasicUnetConfig;
use models::network::unet3d::BasicUnet3d;
use models::network::{Architecture, Classifier, StateDict};
use models::preprocess::pipeline::Pipeline;
use models::{Bundle, Device as ModelsDevice, DeviceChoice, Scorer};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use crate::formula;
use crate::import::file;
use crate::parity::TOLERANCE;

#[derive(Deserialize)]
struct Networks {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    architecture: Architecture,
    seed: u64,
    shape: Vec<usize>,
    every: usize,
    outputs: Vec<f64>,
    output_shape: Vec<usize>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str::<Networks>(include_str!("../reference/networks.json")).unwrap().cases
}

/// The tensors that a new network of this architecture has.
fn state(architecture: &Architecture, device: &Device) -> StateDict {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    match architecture {
        Architecture::Resnet3d(config) => Resnet3d::new(config, &mut rng, device).state().unwrap(),
        Architecture::BasicUnet3d(config) => BasicUnet3d::new(config, &mut rng, device).state().unwrap(),
        other => Classifier::new(other, &mut rng, device).unwrap().state().unwrap(),
    }
}

/// Outputs and their shape, with weights and inputs by the formula.
fn outputs(case: &Case, device: &Device) -> (Vec<f32>, Vec<usize>) {
    let own = state(&case.architecture, device);
    let count: usize = own.values().map(|tensor| tensor.values().len()).sum();
    assert_eq!(count as u64, case.architecture.weights(), "{}", case.name);
    let filled = formula::filled(&own, case.seed);
    let values =
        TensorData::new(formula::picture(case.seed, case.shape.iter().product()), case.shape.clone());
    let read = |shape: Vec<usize>, data: TensorData| (data.try_to_vec().unwrap(), shape);
    match &case.architecture {
        Architecture::Resnet3d(config) => {
            let network = Resnet3d::from_state(config, &filled, device).unwrap();
            assert_eq!(network.state().unwrap(), filled, "{}", case.name);
            let outputs = network.forward(Tensor::<5>::from_data(values, device));
            let outputs = outputs.logits.unwrap_or(outputs.features);
            read(outputs.dims().to_vec(), outputs.into_data())
        }
        Architecture::BasicUnet3d(config) => {
            let network = BasicUnet3d::from_state(config, &filled, device).unwrap();
            assert_eq!(network.state().unwrap(), filled, "{}", case.name);
            let outputs = network.forward(Tensor::<5>::from_data(values, device));
            read(outputs.dims().to_vec(), outputs.into_data())
        }
        other => {
            let network = Classifier::from_state(other, &filled, device).unwrap().unwrap();
            assert_eq!(network.state().unwrap(), filled, "{}", case.name);
            let outputs = network.forward(Tensor::<4>::from_data(values, device)).logits;
            read(outputs.dims().to_vec(), outputs.into_data())
        }
    }
}

#[test]
fn every_network_gives_what_its_reference_gives_on_the_cpu() {
    let (mut volumes, mut segmenters) = (0, 0);
    for case in cases() {
        case.architecture.check().unwrap();
        let (found, shape) = outputs(&case, &Device::flex());
        assert_eq!(shape, case.output_shape, "{}", case.name);
        assert_eq!(found.iter().step_by(case.every).len(), case.outputs.len(), "{}", case.name);
        assert_near(&case, &found);
        volumes += usize::from(case.architecture.is_volumetric());
        segmenters += usize::from(case.architecture.task() == Task::Segmentation);
    }
    assert!(volumes >= 8 && segmenters >= 3);
}

#[test]
fn every_plan_for_the_cpu_gives_what_its_reference_gives() {
    let mut planned = 0;
    for case in cases().iter().filter(|case| Plan::covers(&case.architecture)) {
        let [_, _, height, width] = case.shape[..] else { panic!("{}: pictures", case.name) };
        let filled = formula::filled(&state(&case.architecture, &Device::flex()), case.seed);
        let plan = Plan::new(&case.architecture, &filled, (height, width), 0).unwrap();
        let seen = plan.forward(&formula::picture(case.seed, case.shape.iter().product())).unwrap();
        let found: Vec<f32> = seen.into_iter().flat_map(|seen| seen.logits).collect();
        assert_eq!(found.len(), case.outputs.len(), "{}", case.name);
        assert_near(case, &found);
        planned += 1;
    }
    assert!(planned >= 3);
}

/// The kept outputs are the reference's.
fn assert_near(case: &Case, found: &[f32]) {
    let relative = |(found, stated): (&f32, &f64)| (f64::from(*found) - stated).abs() / stated.abs().max(1.0);
    let worst = found.iter().step_by(case.every).zip(&case.outputs).map(relative).fold(0.0, f64::max);
    eprintln!("{}: {worst:.1e}", case.name);
    assert!(worst < TOLERANCE, "{}: {worst:.2e}", case.name);
}

fn narrow_convnext() -> Architecture {
    Architecture::Convnext(ConvnextConfig {
        input_channels: 1,
        outputs: 3,
        blocks: [1, 1, 2, 1],
        channels: [2, 4, 4, 8],
    })
}

fn narrow_lite(head_channels: usize) -> Architecture {
    Architecture::EfficientnetLite(EfficientnetLiteConfig {
        input_channels: 1,
        outputs: 3,
        stem_channels: 2,
        blocks: [1; 7],
        channels: [2, 3, 2, 4, 3, 2, 4],
        head_channels,
    })
}

fn narrow_volumes(outputs: usize) -> Architecture {
    let config = Resnet3dConfig::monai(1, outputs);
    Architecture::Resnet3d(Resnet3dConfig { blocks: [1; 4], width: 2, shortcut: Shortcut::Pad, ..config })
}

#[test]
fn files_of_each_family_are_read_under_their_packages_names() {
    let unet = BasicUnetConfig { features: [2, 2, 2, 2, 4, 2], ..BasicUnetConfig::monai(1, 2) };
    let cases = [
        ("convnext.pt", narrow_convnext(), 41, "model.module."),
        ("efficientnet-lite.pt", narrow_lite(3), 47, ""),
        // as MedicalNet stores it: no last layer
        ("medicalnet.pth", narrow_volumes(0), 42, "state_dict.module."),
        ("monai-unet-3d.pt", Architecture::BasicUnet3d(unet), 43, ""),
    ];
    for (name, architecture, seed, prefix) in cases {
        let imported = import(&file(name), &architecture).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(imported.prefix, prefix, "{name}");
        let stated = formula::filled(&state(&architecture, &Device::flex()), seed);
        assert_eq!(imported.state, stated, "{name}");
    }
    let Err(ImportError::Misfits { misfits }) = import(&file("medicalnet.pth"), &narrow_volumes(2)) else {
        panic!("a last layer that is not there")
    };
    assert_eq!(misfits.missing, ["fc.bias", "fc.weight"]);
    let Err(ImportError::Misfits { misfits }) = import(&file("efficientnet-lite.pt"), &narrow_lite(4)) else {
        panic!("a head of other channels")
    };
    let misshapen: Vec<&str> = misfits.misshapen.iter().map(|misshapen| misshapen.name.as_str()).collect();
    let norm = ["_bn1.bias", "_bn1.running_mean", "_bn1.running_var", "_bn1.weight"];
    assert_eq!(misshapen[..4], norm);
    assert_eq!(misshapen[4..], ["_conv_head.weight", "_fc.weight"]);
    assert!(misfits.missing.is_empty() && misfits.unknown.is_empty());
}

#[test]
fn an_efficientnet_becomes_a_bundle_with_its_preprocessing_that_a_plan_computes() {
    let own = Recipe { architecture: Some(narrow_lite(3)), ..Recipe::default() };
    let (bundle, _) =
        recipe::bundle(&file("efficientnet-lite.pt"), "efficientnet-lite0", &own, None).unwrap();
    let Contents::Classifier(manifest) = bundle.contents() else { panic!("a classifier") };
    assert_eq!(manifest.preprocessing, Pipeline::efficientnet_lite(1));
    let scorer = Scorer::load(&bundle, &ModelsDevice::open(DeviceChoice::Cpu).unwrap()).unwrap();
    assert_eq!(scorer.computed(), Computed::Plan);
    let picture = formula::smooth(96, 80);
    let scores = scorer.score(std::slice::from_ref(&picture)).unwrap();
    assert_eq!(scores[0].findings.len(), 3);
    let map = scorer.saliency(&picture, &scores[0].findings[0].label).unwrap();
    assert_eq!((map.width(), map.height()), (80, 96));
}

#[test]
fn a_convnext_becomes_a_bundle_that_scores_and_a_network_for_volumes_does_not() {
    let recipe = |architecture| Recipe { architecture: Some(architecture), ..Recipe::default() };
    let (bundle, imported) =
        recipe::bundle(&file("convnext.pt"), "convnext-tiny", &recipe(narrow_convnext()), None).unwrap();
    assert_eq!(imported.state.len(), state(&narrow_convnext(), &Device::flex()).len());
    let folder = tempfile::tempdir().unwrap();
    bundle.write(folder.path()).unwrap();
    let bundle = Bundle::open(folder.path()).unwrap();
    let scorer = Scorer::load(&bundle, &ModelsDevice::open(DeviceChoice::Cpu).unwrap()).unwrap();
    let picture = formula::smooth(96, 80);
    let scores = scorer.score(std::slice::from_ref(&picture)).unwrap();
    assert_eq!(scores[0].findings.len(), 3);
    let map = scorer.saliency(&picture, &scores[0].findings[0].label).unwrap();
    assert_eq!((map.width(), map.height()), (80, 96));

    let refused =
        recipe::bundle(&file("medicalnet.pth"), "medicalnet-resnet18", &recipe(narrow_volumes(0)), None);
    assert_eq!(refused.unwrap_err().code(), "ImportVolumes");
}
