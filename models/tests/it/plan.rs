//! Plans for the CPU against Burn's modules: odd sizes, every batch, every number of threads, and what is not covered.

use burn::tensor::Device;
use models::cpu::{Computed, Plan, Seen, TOLERANCE};
use models::network::convnext::ConvnextConfig;
use models::network::densenet::DensenetConfig;
use models::network::efficientnet::EfficientnetLiteConfig;
use models::network::resnet::{BlockKind, ResnetConfig, Stem};
use models::network::{Architecture, Classifier, NetworkConfig, Stage, StateDict, StateTensor};
use models::{Bundle, Device as ModelsDevice, DeviceChoice, Scorer};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::formula;

/// Small networks of every family that has plans, with channels that fill no vector.
fn networks() -> Vec<(Architecture, Vec<(usize, usize)>)> {
    let resnet = ResnetConfig {
        input_channels: 2,
        outputs: 5,
        stem: Stem::Large,
        block: BlockKind::Basic,
        blocks: [1, 2, 1, 1],
        width: 5,
    };
    let small = ResnetConfig { stem: Stem::Small, input_channels: 1, ..resnet.clone() };
    let narrow =
        ResnetConfig { block: BlockKind::Bottleneck, blocks: [2, 1, 1, 1], width: 18, ..resnet.clone() };
    let densenet = DensenetConfig {
        input_channels: 1,
        outputs: 3,
        blocks: [2, 1, 3, 1],
        growth: 7,
        stem_channels: 10,
        bottleneck: 3,
    };
    let stage = |channels, stride| Stage { channels, stride };
    let own = NetworkConfig {
        input: 24,
        stem: 6,
        stem_kernel: 5,
        stages: vec![stage(6, 1), stage(17, 2), stage(35, 3)],
        outputs: 4,
    };
    // depthwise convolutions of 5 to 102 channels
    let lite = EfficientnetLiteConfig {
        input_channels: 2,
        outputs: 3,
        stem_channels: 5,
        blocks: [2, 2, 1, 3, 1, 2, 1],
        channels: [5, 3, 8, 4, 17, 6, 9],
        head_channels: 21,
    };
    vec![
        (Architecture::Resnet(resnet), vec![(33, 47), (64, 32), (8, 8)]),
        (Architecture::Resnet(small), vec![(9, 28)]),
        (Architecture::Resnet(narrow), vec![(39, 41)]),
        (Architecture::Densenet(densenet), vec![(33, 47), (71, 64), (32, 32)]),
        (Architecture::Residual(own), vec![(24, 24), (31, 19)]),
        (Architecture::EfficientnetLite(lite), vec![(33, 46), (64, 96), (8, 11)]),
    ]
}

fn network(architecture: &Architecture, seed: u64) -> (Classifier, StateDict) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let drawn = Classifier::new(architecture, &mut rng, &Device::flex()).unwrap();
    let state = formula::filled(&drawn.state().unwrap(), seed);
    (Classifier::from_state(architecture, &state, &Device::flex()).unwrap().unwrap(), state)
}

fn pictures(architecture: &Architecture, (height, width): (usize, usize), batch: usize) -> Vec<f32> {
    formula::picture(7, batch * architecture.input_channels() * height * width)
}

#[test]
fn plans_give_the_modules_numbers_at_odd_sizes_and_in_every_batch() {
    for (architecture, sizes) in networks() {
        let (network, state) = network(&architecture, 3);
        for size in sizes {
            let plan = Plan::new(&architecture, &state, size, 0).unwrap();
            let nine = pictures(&architecture, size, 9);
            let one = nine.len() / 9;
            let alone: Vec<Seen> =
                nine.chunks_exact(one).flat_map(|own| plan.forward(own).unwrap()).collect();
            for batch in 1..=9 {
                let values = &nine[..batch * one];
                let difference = plan.difference(&network, values, &Device::flex());
                assert!(difference <= TOLERANCE, "{architecture:?} {size:?} {batch}: {difference:.2e}");
                assert_eq!(plan.forward(values).unwrap(), alone[..batch], "{architecture:?} {size:?}");
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for family in [3, 5] {
        let (architecture, sizes) = networks().swap_remove(family);
        let (_, state) = network(&architecture, 4);
        let plan = Plan::new(&architecture, &state, sizes[1], 0).unwrap();
        let values = pictures(&architecture, sizes[1], 3);
        let by = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| plan.forward(&values).unwrap())
        };
        let one = by(1);
        for threads in [2, 3, 4, 7] {
            assert_eq!(by(threads), one, "{threads}");
        }
    }
}

/// Class activation maps: their mean is the logit without its bias.
#[test]
fn the_mean_of_a_labels_map_is_its_logit_without_the_bias() {
    let (architecture, sizes) = networks().swap_remove(4);
    let (_, state) = network(&architecture, 5);
    let plan = Plan::new(&architecture, &state, sizes[1], 3).unwrap();
    let seen = plan.forward(&pictures(&architecture, sizes[1], 1)).unwrap().remove(0);
    let bias = state["head.bias"].values();
    let (height, width) = seen.size;
    assert_eq!((seen.maps.len(), seen.logits.len()), (3 * height * width, 4));
    for (label, map) in seen.maps.chunks_exact(height * width).enumerate() {
        let mean = map.iter().sum::<f32>() / (height * width) as f32;
        let logit = seen.logits[label] - bias[label];
        assert!((mean - logit).abs() < 1e-4 * logit.abs().max(1.0), "{label}: {mean} {logit}");
    }
}

#[test]
fn other_weights_are_told_apart() {
    let (architecture, sizes) = networks().swap_remove(0);
    let (network, mut state) = network(&architecture, 6);
    let values = pictures(&architecture, sizes[0], 2);
    let difference = |state: &StateDict| {
        let plan = Plan::new(&architecture, state, sizes[0], 0).unwrap();
        plan.difference(&network, &values, &Device::flex())
    };
    assert!(difference(&state) <= TOLERANCE);
    let name = "layer2.0.bn1.running_var";
    let mut own = state[name].values().to_vec();
    own[0] += 1.0;
    state.insert(name.to_owned(), StateTensor::new(vec![own.len()], own).unwrap());
    assert!(difference(&state) > TOLERANCE);
}

#[test]
fn weights_that_are_no_numbers_are_a_mismatch() {
    let (architecture, sizes) = networks().swap_remove(0);
    let (_, mut state) = network(&architecture, 6);
    let bias = vec![f32::NAN; 5];
    state.insert("fc.bias".to_owned(), StateTensor::new(vec![5], bias).unwrap());
    let device = Device::flex();
    let network = Classifier::from_state(&architecture, &state, &device).unwrap().unwrap();
    let values = pictures(&architecture, sizes[0], 1);
    let mismatch = Plan::checked(&network, &architecture, sizes[0], 0, (&values, &device)).unwrap_err();
    assert!(mismatch.difference.is_nan());
}

#[test]
fn pictures_that_are_none_are_left_to_the_module() {
    let (architecture, sizes) = networks().swap_remove(0);
    let (_, state) = network(&architecture, 6);
    let plan = Plan::new(&architecture, &state, sizes[0], 0).unwrap();
    let mut values = pictures(&architecture, sizes[0], 3);
    assert_eq!(plan.forward(&values).unwrap().len(), 3);
    assert_eq!(plan.forward(&[]).unwrap().len(), 0);
    assert!(plan.forward(&values[1..]).is_none());
    for wrong in [f32::NAN, f32::INFINITY] {
        *values.last_mut().unwrap() = wrong;
        assert!(plan.forward(&values).is_none());
    }
}

#[test]
fn what_is_not_covered_has_no_plan() {
    let (architecture, sizes) = networks().swap_remove(0);
    let (_, mut state) = network(&architecture, 6);
    assert!(Plan::covers(&architecture));
    assert!(Plan::new(&architecture, &state, (7, 40), 0).is_none(), "below the least side");
    state.remove("layer3.0.conv2.weight");
    assert!(Plan::new(&architecture, &state, sizes[0], 0).is_none(), "a tensor is missing");
    let convnext = ConvnextConfig { input_channels: 1, outputs: 2, blocks: [1; 4], channels: [2, 4, 4, 8] };
    let convnext = Architecture::Convnext(convnext);
    let (_, state) = network(&convnext, 6);
    assert!(!Plan::covers(&convnext) && Plan::new(&convnext, &state, (32, 32), 0).is_none());
}

/// What is scored by plans is what Burn's modules score, maps and distances included.
#[test]
fn the_built_in_bundle_is_computed_by_plans_and_says_what_burn_says() {
    let bundle = Bundle::embedded().unwrap();
    let device = ModelsDevice::open(DeviceChoice::Cpu).unwrap();
    let (planned, burn) =
        (Scorer::load(&bundle, &device).unwrap(), Scorer::load_burn(&bundle, &device).unwrap());
    assert_eq!((planned.computed(), burn.computed()), (Computed::Plan, Computed::Burn));
    let pictures: Vec<_> = [(96, 80), (300, 200), (160, 160)].map(|(w, h)| formula::smooth(w, h)).into();
    let near = |one: f64, other: f64| (one - other).abs() <= TOLERANCE * other.abs().max(1.0);
    let (found, wanted) = (planned.score(&pictures).unwrap(), burn.score(&pictures).unwrap());
    for (found, wanted) in found.iter().zip(&wanted) {
        for (found, wanted) in found.findings.iter().zip(&wanted.findings) {
            assert!(near(found.logit, wanted.logit), "{} {} {}", found.label, found.logit, wanted.logit);
        }
        let (own, other) = (found.chest.unwrap(), wanted.chest.unwrap());
        assert!(near(own.frontal, other.frontal) && near(own.male, other.male));
        let (own, other) = (found.out_of_distribution.unwrap(), wanted.out_of_distribution.unwrap());
        assert!(near(own.features, other.features));
        let map = |scores: &models::Scores| scores.maps.clone().unwrap().of(0, 20, 20).unwrap();
        let (own, other) = (map(found), map(wanted));
        for (found, wanted) in own.pixels().iter().zip(other.pixels()) {
            assert!(near(f64::from(*found), f64::from(*wanted)));
        }
    }
    let (found, wanted) = (planned.embed(&pictures).unwrap(), burn.embed(&pictures).unwrap());
    for (found, wanted) in found.iter().flatten().zip(wanted.iter().flatten()) {
        assert!(near(f64::from(*found), f64::from(*wanted)));
    }
}
