//! Our networks against torchvision's, TorchXRayVision's and MONAI's, with weights that both sides make by one formula.
//! `reference/make_parity.py` made the outputs.

use burn::tensor::{Device, Tensor, TensorData};
use models::cpu::Plan;
use models::network::architecture::Task;
use models::network::unet::BasicUnet;
use models::network::{Architecture, Classifier, StateDict};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use crate::formula;

/// The largest difference that passes, times the larger of 1 and the reference.
pub(crate) const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Parity {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    architecture: Architecture,
    seed: u64,
    shape: [usize; 4],
    outputs: Vec<f64>,
    output_shape: Vec<usize>,
}

pub(crate) fn cases() -> Vec<Case> {
    serde_json::from_str::<Parity>(include_str!("../reference/parity.json")).unwrap().cases
}

/// A network of either task, with the formula's weights.
enum Network {
    Classifier(Box<Classifier>),
    Unet(Box<BasicUnet>),
}

impl Network {
    fn new(case: &Case, device: &Device) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(case.seed);
        case.architecture.check().unwrap();
        match &case.architecture {
            Architecture::BasicUnet(config) => {
                let state = BasicUnet::new(config, &mut rng, device).state().unwrap();
                assert_eq!(weights(&state), case.architecture.weights(), "{}", case.name);
                let state = formula::filled(&state, case.seed);
                Self::Unet(Box::new(BasicUnet::from_state(config, &state, device).unwrap()))
            }
            architecture => {
                let state = Classifier::new(architecture, &mut rng, device).unwrap().state().unwrap();
                assert_eq!(weights(&state), architecture.weights(), "{}", case.name);
                let state = formula::filled(&state, case.seed);
                let network = Classifier::from_state(architecture, &state, device).unwrap().unwrap();
                assert_eq!(network.state().unwrap(), state, "{}", case.name);
                Self::Classifier(Box::new(network))
            }
        }
    }

    fn outputs(&self, pictures: Tensor<4>) -> (Vec<f32>, Vec<usize>) {
        match self {
            Self::Classifier(network) => {
                let logits = network.forward(pictures).logits;
                let shape = logits.dims().to_vec();
                (logits.into_data().try_to_vec().unwrap(), shape)
            }
            Self::Unet(network) => {
                let maps = network.forward(pictures);
                let shape = maps.dims().to_vec();
                (maps.into_data().try_to_vec().unwrap(), shape)
            }
        }
    }
}

fn weights(state: &StateDict) -> u64 {
    state.values().map(|tensor| tensor.values().len() as u64).sum()
}

/// The largest difference from the reference, in units of the larger of 1 and the reference.
pub(crate) fn difference(case: &Case, device: &Device) -> f64 {
    let network = Network::new(case, device);
    let pictures = formula::picture(case.seed, case.shape.iter().product());
    let pictures = Tensor::<4>::from_data(TensorData::new(pictures, case.shape), device);
    let (outputs, shape) = network.outputs(pictures);
    assert_eq!(shape, case.output_shape, "{}", case.name);
    let relative = |(found, stated): (&f32, &f64)| (f64::from(*found) - stated).abs() / stated.abs().max(1.0);
    outputs.iter().zip(&case.outputs).map(relative).fold(0.0, f64::max)
}

#[test]
fn every_network_gives_what_its_reference_gives_on_the_cpu() {
    let (mut classifiers, mut segmenters) = (0, 0);
    for case in cases() {
        let worst = difference(&case, &Device::flex());
        eprintln!("{}: {worst:.1e}", case.name);
        assert!(worst < TOLERANCE, "{}: {worst:.2e}", case.name);
        match case.architecture.task() {
            Task::Classification => classifiers += 1,
            Task::Segmentation => segmenters += 1,
        }
    }
    assert!(classifiers >= 7 && segmenters >= 3);
}

#[test]
fn every_plan_for_the_cpu_gives_what_its_reference_gives() {
    let mut planned = 0;
    for case in cases() {
        let Network::Classifier(network) = Network::new(&case, &Device::flex()) else { continue };
        let [_, _, height, width] = case.shape;
        let state = network.state().unwrap();
        let Some(plan) = Plan::new(&case.architecture, &state, (height, width), 0) else {
            assert!(matches!(case.architecture, Architecture::Convnext(_)), "{}", case.name);
            continue;
        };
        let seen = plan.forward(&formula::picture(case.seed, case.shape.iter().product())).unwrap();
        let outputs: Vec<f32> = seen.into_iter().flat_map(|seen| seen.logits).collect();
        assert_eq!(outputs.len(), case.outputs.len(), "{}", case.name);
        let relative =
            |(found, stated): (&f32, &f64)| (f64::from(*found) - stated).abs() / stated.abs().max(1.0);
        let worst = outputs.iter().zip(&case.outputs).map(relative).fold(0.0, f64::max);
        eprintln!("{}: {worst:.1e}", case.name);
        assert!(worst < TOLERANCE, "{}: {worst:.2e}", case.name);
        planned += 1;
    }
    assert!(planned >= 7);
}

#[test]
fn another_weight_gives_another_output() {
    let case = cases().into_iter().find(|case| case.name == "narrow resnet").unwrap();
    let other = Case { seed: case.seed + 1, ..case };
    assert!(difference(&other, &Device::flex()) > 1e-2);
}
