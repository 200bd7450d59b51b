//! A bundle small enough to be trained in a test: drawn pictures, tiny networks.

use std::sync::OnceLock;

use models::import::Backbone;
use models::network::efficientnet::EfficientnetLiteConfig;
use models::network::{Architecture, Classifier};
use models::train::{
    Example, FINDINGS, Material, Progress, ReadoutRecipe, Split, TrainConfig, TrainedBundle, train,
};
use models::{Device, DeviceChoice, GreyImage};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A picture with two dark fields and a bright spot whose place depends on `number`.
pub(crate) fn picture(number: usize) -> GreyImage {
    let side = 48;
    let spot = (0.3 + 0.1 * (number % 5) as f32, 0.3 + 0.1 * (number % 4) as f32);
    let pixels = (0..side * side)
        .map(|index| {
            let (x, y) = ((index % side) as f32 / side as f32, (index / side) as f32 / side as f32);
            let field =
                |cx: f32| (1.0 - ((x - cx) / 0.2).powi(2) - ((y - 0.5) / 0.35).powi(2)).clamp(0.0, 1.0);
            let bright = 0.3 * (1.0 - ((x - spot.0).hypot(y - spot.1) / 0.1)).clamp(0.0, 1.0);
            let grain = ((index * 7919 + number * 104_729) % 97) as f32 / 97.0 * 0.05;
            (0.7 - 0.5 * (field(0.27) + field(0.73)) + bright + grain).clamp(0.0, 1.0)
        })
        .collect();
    GreyImage::new(side, side, pixels).unwrap()
}

/// Thirty-two patients, a quarter of them for validation; the label depends on the number.
pub(crate) fn examples() -> Vec<Example> {
    (0..32)
        .map(|number| {
            let labels: [f32; FINDINGS] =
                std::array::from_fn(|k| f32::from(u8::from((number / 4 + k) % 2 == 0 || number % 5 == 0)));
            Example {
                image: picture(number),
                labels,
                teacher: labels.map(|label| 0.1 + 0.6 * label + 0.01 * (number % 7) as f32),
                age_years: 20.0 + number as f32,
                male: number % 2 == 0,
                view_ap: number % 3 == 0,
                patient: format!("P{number}"),
                split: if number % 4 == 3 { Split::Validation } else { Split::Train },
            }
        })
        .collect()
}

/// The smallest recipe that still does everything.
pub(crate) fn config() -> TrainConfig {
    TrainConfig {
        version: "0.0.1".to_owned(),
        folds: 2,
        epochs: 6,
        frontal_epochs: 2,
        batch: 6,
        threads: 2,
        side: 32,
        channels: vec![6, 8],
        strides: vec![2, 2],
        frontal_side: 24,
        frontal_channels: vec![6],
        thumbnail_side: 4,
        bootstrap_rounds: 20,
        command: "a test".to_owned(),
        ..TrainConfig::default()
    }
}

/// Trains with `config` and keeps what was told on the way.
pub(crate) fn run(config: &TrainConfig) -> (TrainedBundle, Vec<Progress>) {
    let mut events = Vec::new();
    let negatives = [picture(3), picture(4)];
    let material = Material { examples: &examples(), negatives: &negatives, backbone: None };
    let trained = train(material, config, None, &mut |event| events.push(event)).unwrap();
    (trained, events)
}

/// A network of two colours too many, for a readout to stand on, with drawn weights.
pub(crate) fn backbone() -> Backbone {
    let architecture = Architecture::EfficientnetLite(EfficientnetLiteConfig { input_channels: 3, ..lite() });
    let device = Device::open(DeviceChoice::Cpu).unwrap();
    let network = Classifier::new(&architecture, &mut ChaCha8Rng::seed_from_u64(5), device.burn()).unwrap();
    Backbone::of(network.state().unwrap(), "5".repeat(64))
}

fn lite() -> EfficientnetLiteConfig {
    EfficientnetLiteConfig {
        input_channels: 1,
        outputs: 3,
        stem_channels: 5,
        blocks: [1, 1, 2, 1, 1, 1, 1],
        channels: [5, 6, 9, 4, 7, 6, 9],
        head_channels: 21,
    }
}

/// A readout of maps of 8 x 8 and 4 x 4 places.
pub(crate) fn readout() -> ReadoutRecipe {
    ReadoutRecipe {
        source: "a drawn network".to_owned(),
        network: lite(),
        blocks: vec![1, 3],
        cells: 3,
        side: 40,
        margin: 4,
        copies: 1,
        ridge: 1.0,
        label_share: 0.35,
        share: 0.6,
    }
}

/// The small bundle with a readout.
pub(crate) fn with_readout() -> &'static TrainedBundle {
    static TRAINED: OnceLock<TrainedBundle> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let (examples, backbone) = (examples(), backbone());
        let negatives = [picture(3), picture(4)];
        let material = Material { examples: &examples, negatives: &negatives, backbone: Some(&backbone) };
        let config = TrainConfig { readout: Some(readout()), ..config() };
        train(material, &config, None, &mut |_| {}).unwrap()
    })
}

/// One small bundle for all tests.
pub(crate) fn trained() -> &'static TrainedBundle {
    static TRAINED: OnceLock<TrainedBundle> = OnceLock::new();
    TRAINED.get_or_init(|| run(&config()).0)
}
