//! Bundles of networks that segment: made, opened, refused, and what they outline.

use models::bundle::Contents;
use models::bundle::classifier::{Activation, Coding};
use models::bundle::segmenter::SegmentLabel;
use models::import::recipe::{self, Recipe, RecipeSegment};
use models::network::unet::{BasicUnet, BasicUnetConfig, UnetNorm};
use models::network::{Architecture, StateDict, StateTensor};
use models::preprocess::pipeline::{Channel, Pipeline, Resampling, Step};
use models::{Bounds, Bundle, Device, DeviceChoice, Footprint, GreyImage, Scorer};

/// A U-Net of two channels a level whose outputs are set by hand.
pub(crate) fn config(outputs: usize) -> BasicUnetConfig {
    BasicUnetConfig { features: [2; 6], norm: UnetNorm::Batch, ..BasicUnetConfig::monai(1, outputs) }
}

/// Weights by hand: the picture goes through the upper level's middle pixels alone, and output k is `20 (v - threshold)`.
/// The deeper levels are there and say nothing.
pub(crate) fn bright(thresholds: &[f32]) -> StateDict {
    let device = Device::open(DeviceChoice::Cpu).unwrap();
    let blank = {
        use rand::SeedableRng;
        let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        BasicUnet::new(&config(thresholds.len()), &mut generator, device.burn()).state().unwrap()
    };
    let mut state: StateDict = blank
        .into_iter()
        .map(|(name, tensor)| {
            let one = name.ends_with("running_var") || (name.contains(".adn.N.weight"));
            let values = vec![f32::from(u8::from(one)); tensor.values().len()];
            (name, StateTensor::new(tensor.shape().to_vec(), values).unwrap())
        })
        .collect();
    // the middle of a 3 x 3 kernel of the first channel that comes in, to the first that goes out
    let mut pass = |name: &str| {
        let tensor = &state[name];
        let mut values = tensor.values().to_vec();
        values[4] = 1.0;
        let shape = tensor.shape().to_vec();
        state.insert(name.to_owned(), StateTensor::new(shape, values).unwrap());
    };
    for name in [
        "conv_0.conv_0.conv.weight",
        "conv_0.conv_1.conv.weight",
        // the encoder's maps come first
        "upcat_1.convs.conv_0.conv.weight",
        "upcat_1.convs.conv_1.conv.weight",
    ] {
        pass(name);
    }
    let outputs = thresholds.len();
    let weights = (0..outputs).flat_map(|_| [20.0, 0.0]).collect();
    state.insert("final_conv.weight".into(), StateTensor::new(vec![outputs, 2, 1, 1], weights).unwrap());
    let biases = thresholds.iter().map(|threshold| -20.0 * threshold).collect();
    state.insert("final_conv.bias".into(), StateTensor::new(vec![outputs], biases).unwrap());
    state
}

fn coding(code: &str, display: &str) -> Coding {
    Coding { system: "http://snomed.info/sct".into(), code: code.into(), display: display.into() }
}

fn segment(name: &str) -> RecipeSegment {
    RecipeSegment {
        name: name.into(),
        title: None,
        output: None,
        category: coding("123037004", "Anatomical Structure"),
        property: coding("39607008", "Lung"),
        threshold: None,
        threshold_source: None,
        least_area_px: None,
        least_area_mm2: None,
    }
}

fn recipe(outputs: usize, side: usize) -> Recipe {
    Recipe {
        id: Some("bright".into()),
        architecture: Some(Architecture::BasicUnet(config(outputs))),
        preprocessing: Some(Pipeline {
            steps: vec![Step::Resize { height: side, width: side, rule: Resampling::MonaiBilinear }],
            height: side,
            width: side,
            channels: vec![Channel { mean: 0.0, deviation: 1.0 }],
        }),
        segments: (0..outputs).map(|output| segment(&format!("part_{output}"))).collect(),
        ..Recipe::default()
    }
}

/// The bundle that `recipe` makes of hand-set weights.
fn made(recipe: &Recipe, thresholds: &[f32]) -> Result<Bundle, recipe::RecipeError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    std::fs::write(&file, models::bundle::tensors::write(&bright(thresholds)).unwrap()).unwrap();
    recipe::bundle(&file, "basic-unet", recipe, None).map(|(bundle, _)| bundle)
}

fn scorer(bundle: &Bundle) -> Scorer {
    Scorer::load(bundle, &Device::open(DeviceChoice::Cpu).unwrap()).unwrap()
}

/// A bright block in the dark.
fn block(width: usize, height: usize, bounds: Bounds) -> GreyImage {
    let inside = |index: usize| {
        let (x, y) = (index % width, index / width);
        (bounds.left..bounds.left + bounds.width).contains(&x)
            && (bounds.top..bounds.top + bounds.height).contains(&y)
    };
    let pixels = (0..width * height).map(|index| if inside(index) { 0.9 } else { 0.1 }).collect();
    GreyImage::new(width, height, pixels).unwrap()
}

#[test]
fn a_hand_set_network_outlines_the_bright_pixels_in_the_picture_s_own_geometry() {
    let bundle = made(&recipe(2, 64), &[0.5, 0.95]).unwrap();
    let scorer = scorer(&bundle);
    let bounds = Bounds { left: 8, top: 16, width: 20, height: 24 };
    // as large as the network's input: pixel by pixel
    let scores = scorer.score(&[block(64, 64, bounds)]).unwrap().remove(0);
    assert!(scores.findings.is_empty() && scores.maps.is_none());
    let [bright, brighter] = &scores.segments[..] else { panic!("two segments") };
    assert_eq!((bright.label.as_str(), bright.mask.pixels()), ("part_0", 20 * 24));
    assert_eq!(bright.mask.bounds(), Some(bounds));
    // sigmoid of 20 (0.9 - 0.5)
    assert!((bright.probability.unwrap() - 1.0 / (1.0 + (-8.0_f64).exp())).abs() < 1e-4);
    assert_eq!((brighter.mask.pixels(), brighter.probability), (0, None));
    // four times as large, and not square: within a pixel of the network's
    let wide = Bounds { left: 32, top: 32, width: 80, height: 48 };
    let scores = scorer.score(&[block(256, 128, wide), block(64, 64, bounds)]).unwrap();
    let found = scores[0].segments[0].mask.bounds().unwrap();
    assert_eq!((scores[0].segments[0].mask.width(), scores[0].segments[0].mask.height()), (256, 128));
    for (found, wanted) in
        [(found.left, 32), (found.top, 32), (found.left + found.width, 112), (found.top + found.height, 80)]
    {
        assert!(found.abs_diff(wanted) <= 4, "{found} {wanted}");
    }
    assert_eq!(scores[1].segments[0], *bright, "alone or beside another, the same");
}

#[test]
fn what_a_crop_leaves_out_is_outside_and_outputs_may_exclude_each_other() {
    let mut recipe = recipe(2, 64);
    recipe.activation = Some(Activation::Softmax);
    recipe.segments.remove(0);
    recipe.segments[0].output = Some(1);
    recipe.preprocessing.as_mut().unwrap().steps.insert(0, Step::CropSquare);
    // output 1 wins where 20 (v - 0.3) is above 20 (v - 0.5): everywhere that was seen
    let bundle = made(&recipe, &[0.5, 0.3]).unwrap();
    let all = Bounds { left: 0, top: 0, width: 96, height: 64 };
    let scores = scorer(&bundle).score(&[block(96, 64, all)]).unwrap();
    assert_eq!(
        scores[0].segments[0].mask.bounds(),
        Some(Bounds { left: 16, top: 0, width: 64, height: 64 }),
        "the middle square"
    );
}

#[test]
fn a_bundle_survives_its_folder_and_a_change_is_found() {
    let bundle = made(&recipe(1, 64), &[0.5]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    bundle.write(folder.path()).unwrap();
    let opened = Bundle::open(folder.path()).unwrap();
    assert_eq!((opened.contents(), opened.card()), (bundle.contents(), bundle.card()));
    assert!(opened.card().contains("image-segmentation") && opened.card().contains("39607008 Lung"));
    assert_eq!(opened.model_card().segments.len(), 1);
    assert!(!opened.model_card().says_where_it_looked());
    assert_eq!(Footprint::of(&opened, 1), Footprint::of(&opened, 32), "one after the other");
    let scorer = scorer(&opened);
    let picture = block(64, 64, Bounds { left: 8, top: 8, width: 8, height: 8 });
    assert_eq!(scorer.saliency(&picture, "part_0").unwrap_err().code(), "ScoreSegments");
    assert_eq!(scorer.embed(&[picture]).unwrap_err().code(), "ScoreSegments");

    let manifest = folder.path().join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"threshold\": 0.5", "\"threshold\": 0.4")).unwrap();
    assert_eq!(Bundle::open(folder.path()).unwrap_err().code(), "BundleSeal");
    // other weights with their own digest do not pass the self-test
    let Contents::Segmenter(manifest) = bundle.contents().clone() else { panic!("a segmenter") };
    let weights = models::bundle::tensors::write(&bright(&[0.4])).unwrap();
    let other = Bundle::segmenter(*manifest, bundle.card().to_owned(), weights).unwrap();
    let refused = Scorer::load(&other, &Device::open(DeviceChoice::Cpu).unwrap());
    assert_eq!(refused.err().map(|error| error.code()), Some("ModelSelfTestDiffers"));
}

#[test]
fn a_recipe_that_says_too_little_or_something_else_is_refused() {
    let code = |change: fn(&mut Recipe)| {
        let mut recipe = recipe(1, 64);
        change(&mut recipe);
        made(&recipe, &[0.5]).err().map(|error| error.code())
    };
    assert_eq!(code(|_| ()), None);
    assert_eq!(code(|recipe| recipe.segments.clear()), Some("ImportSegments"));
    assert_eq!(code(|recipe| recipe.preprocessing = None), Some("ImportSegments"));
    let labelled: Recipe = serde_json::from_str(r#"{"labels": [{"name": "a"}]}"#).unwrap();
    let with_labels = Recipe { labels: labelled.labels, ..recipe(1, 64) };
    assert_eq!(made(&with_labels, &[0.5]).unwrap_err().code(), "ImportSegments");
    for change in [
        |recipe: &mut Recipe| recipe.segments[0].output = Some(1),
        |recipe: &mut Recipe| recipe.segments[0].threshold = Some(0.0),
        |recipe: &mut Recipe| recipe.segments[0].threshold = Some(f64::NAN),
        |recipe: &mut Recipe| recipe.segments[0].property.system = "http://radlex.org".into(),
        |recipe: &mut Recipe| recipe.segments[0].category.code = "T-28000".into(),
        |recipe: &mut Recipe| recipe.segments[0].property.display = String::new(),
        |recipe: &mut Recipe| recipe.segments[0].least_area_mm2 = Some(f64::INFINITY),
        |recipe: &mut Recipe| recipe.segments.push(recipe.segments[0].clone()),
        |recipe: &mut Recipe| recipe.segments = vec![recipe.segments[0].clone(); 100],
    ] {
        assert_eq!(code(change), Some("BundleInconsistent"));
    }
    // a file of MONAI's own saving
    let file = std::path::Path::new("tests/reference/files/monai-unet.pt");
    assert!(file.is_file());
}

#[test]
fn a_least_area_counts_in_what_is_known() {
    let least = |px, mm2| SegmentLabel {
        name: "a".into(),
        title: "A".into(),
        output: 0,
        category: coding("123037004", "Anatomical Structure"),
        property: coding("39607008", "Lung"),
        threshold: 0.5,
        threshold_source: String::new(),
        least_area_px: px,
        least_area_mm2: mm2,
    };
    assert!(least(None, None).is_large_enough(1, None) && !least(None, None).is_large_enough(0, Some(0.0)));
    assert!(least(Some(10), None).is_large_enough(10, None));
    assert!(!least(Some(10), None).is_large_enough(9, Some(1e9)));
    assert!(!least(None, Some(4.0)).is_large_enough(100, Some(3.9)));
    assert!(least(None, Some(4.0)).is_large_enough(100, None), "nothing is guessed");
}
