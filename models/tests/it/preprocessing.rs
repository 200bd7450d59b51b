//! Preprocessing as data against torchvision, scikit-image as TorchXRayVision calls it, and MONAI
//! (`reference/make_parity.py` made the vectors).

use models::preprocess::pipeline::{Channel, Pipeline, Resampling, Step};
use proptest::prelude::*;
use serde::Deserialize;

use crate::formula;

/// The largest difference that passes, times the larger of 1 and the largest reference value.
const TOLERANCE: f64 = 2e-6;

#[derive(Deserialize)]
struct Case {
    name: String,
    height: usize,
    width: usize,
    pipeline: Pipeline,
    values: Vec<f64>,
}

#[test]
fn each_rule_gives_what_its_library_gives() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../reference/preprocessing.json")).unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        case.pipeline.check().unwrap();
        let found = case.pipeline.apply(&formula::smooth(case.height, case.width));
        assert_eq!(found.len(), case.values.len(), "{}", case.name);
        let scale = case.values.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
        let differences = found.iter().zip(&case.values).map(|(a, b)| (f64::from(*a) - b).abs() / scale);
        let worst = differences.fold(0.0, f64::max);
        assert!(worst < TOLERANCE, "{}: {worst:.2e}", case.name);
    }
}

#[test]
fn pipelines_that_do_not_end_at_their_size_are_refused() {
    let plain = |steps: Vec<Step>| Pipeline {
        steps,
        height: 8,
        width: 8,
        channels: vec![Channel { mean: 0.0, deviation: 1.0 }],
    };
    let resize = |side| Step::Resize { height: side, width: side, rule: Resampling::MonaiArea };
    let refused = [
        plain(vec![]),
        plain(vec![resize(9)]),
        plain(vec![resize(0)]),
        plain(vec![resize(8), Step::ResizeShorter { side: 8, rule: Resampling::MonaiArea }]),
        plain(vec![resize(100_000), resize(8)]),
        plain(vec![resize(8), Step::Scale { scale: f32::NAN, shift: 0.0 }]),
        plain(vec![Step::Stretch; 40]),
        Pipeline { channels: vec![], ..plain(vec![resize(8)]) },
        Pipeline { channels: vec![Channel { mean: 0.0, deviation: 0.0 }], ..plain(vec![resize(8)]) },
    ];
    for pipeline in refused {
        assert!(pipeline.check().is_err(), "{pipeline:?}");
    }
    for pipeline in [
        Pipeline::imagenet(3),
        Pipeline::efficientnet_lite(1),
        Pipeline::torchxrayvision(),
        Pipeline::medmnist(1),
    ] {
        pipeline.check().unwrap();
    }
}

/// Numbers that grow beyond every number leave none: the scorer refuses what the network makes of them.
#[test]
fn a_plane_without_any_number_is_resized_too() {
    for rule in [
        Resampling::TorchvisionBilinear,
        Resampling::SkimageLinear,
        Resampling::MonaiBilinear,
        Resampling::MonaiArea,
    ] {
        let grow = Step::Scale { scale: 3e38, shift: 0.0 };
        let resize = Step::Resize { height: 4, width: 4, rule };
        let pipeline = Pipeline {
            steps: vec![grow.clone(), grow, Step::Standardise, resize],
            height: 4,
            width: 4,
            channels: vec![Channel { mean: 0.0, deviation: 1.0 }],
        };
        pipeline.check().unwrap();
        let found = pipeline.apply(&formula::smooth(9, 7));
        assert!(found.len() == 16 && found.iter().all(|value| value.is_nan()), "{rule:?}: {found:?}");
    }
}

fn step() -> impl Strategy<Value = Step> {
    let rule = prop_oneof![
        Just(Resampling::TorchvisionBilinear),
        Just(Resampling::SkimageLinear),
        Just(Resampling::MonaiBilinear),
        Just(Resampling::MonaiArea),
    ];
    prop_oneof![
        Just(Step::CropSquare),
        (1_usize..30, 1_usize..30).prop_map(|(height, width)| Step::CropCentre { height, width }),
        (1_usize..30, 1_usize..30, rule.clone()).prop_map(|(height, width, rule)| Step::Resize {
            height,
            width,
            rule
        }),
        (1_usize..30, rule).prop_map(|(side, rule)| Step::ResizeShorter { side, rule }),
        Just(Step::Stretch),
        Just(Step::Standardise),
    ]
}

proptest! {
    /// Any list of steps gives as many finite values as it promises, and its map comes back at the picture's size.
    #[test]
    fn whatever_the_steps_the_input_is_whole(
        steps in prop::collection::vec(step(), 0..6), height in 1_usize..40, width in 1_usize..40,
    ) {
        let end = Step::Resize { height: 9, width: 7, rule: Resampling::TorchvisionBilinear };
        let pipeline = Pipeline {
            steps: steps.into_iter().chain([end]).collect(),
            height: 9,
            width: 7,
            channels: vec![Channel { mean: 0.5, deviation: 0.25 }; 2],
        };
        prop_assume!(pipeline.check().is_ok());
        let values = pipeline.apply(&formula::smooth(height, width));
        prop_assert_eq!(values.len(), 2 * 9 * 7);
        prop_assert!(values.iter().all(|value| value.is_finite()));
        let back = pipeline.back(&formula::smooth(3, 2), height, width);
        prop_assert_eq!((back.height(), back.width()), (height, width));
    }
}
