//! The network that outlines what is bright, as a file of weights and a recipe.

use std::fs;
use std::path::{Path, PathBuf};

use chiasm_tests::run;
use dicom_ingest::phantom::WHITE;
use models::network::{StateDict, StateTensor};

use crate::recipes::of_radiographs;

/// A value from which on a stored pixel is bright: between two of them, so that no rounding decides.
pub(super) const BRIGHT: f64 = 2600.5;
/// Side of the network's input: a quarter of the phantom's, so that every fourth pixel is asked.
pub(super) const INPUT: usize = 256;

const RECIPE: &str = r#"
id = "bright"
version = "1.2.0"
title = "What is bright"
limits = ["It knows nothing of medicine."]

RADIOGRAPHS

[architecture]
family = "basic-unet"
input_channels = 1
outputs = 2
features = [2, 2, 2, 2, 2, 2]
norm = "batch"
negative_slope = 0.1

[preprocessing]
height = SIDE
width = SIDE
steps = [{ step = "resize", height = SIDE, width = SIDE, rule = "monai-area" }]
channels = [{ mean = 0.0, deviation = 1.0 }]

[[segments]]
name = "bright"
title = "Bright region"
category = { system = "http://snomed.info/sct", code = "123037004", display = "Anatomical Structure" }
type = { system = "http://snomed.info/sct", code = "51185008", display = "Thoracic structure" }

[[segments]]
name = "dazzling"
title = "Dazzling region"
category = { system = "http://snomed.info/sct", code = "49755003", display = "Morphologically Abnormal Structure" }
type = { system = "http://snomed.info/sct", code = "52988006", display = "Lesion" }
least_area_px = 10
"#;

/// The tensors of MONAI's `BasicUNet` of two channels a level, by its own names. The picture goes through the upper level's
/// middle pixels alone: output 0 is `200 (v - threshold)`, output 1 always far below.
fn weights(threshold: f32) -> StateDict {
    let mut state = StateDict::new();
    let mut put = |name: String, shape: &[usize], values: &dyn Fn(usize) -> f32| {
        let count = shape.iter().product();
        let tensor = StateTensor::new(shape.to_vec(), (0..count).map(values).collect()).unwrap();
        state.insert(name, tensor);
    };
    let mut conv = |name: &str, input: usize, passes: bool| {
        let middle = move |index: usize| f32::from(u8::from(passes && index == 4));
        put(format!("{name}.conv.weight"), &[2, input, 3, 3], &middle);
        for (part, value) in [("bias", 0.0), ("weight", 1.0), ("running_mean", 0.0), ("running_var", 1.0)] {
            put(format!("{name}.adn.N.{part}"), &[2], &|_| value);
        }
        put(format!("{name}.conv.bias"), &[2], &|_| 0.0);
    };
    conv("conv_0.conv_0", 1, true);
    conv("conv_0.conv_1", 2, true);
    for level in 1..=4 {
        conv(&format!("down_{level}.convs.conv_0"), 2, false);
        conv(&format!("down_{level}.convs.conv_1"), 2, false);
    }
    for level in 1..=4 {
        // the encoder's two channels, and those from below: half of two, and all of them at the top
        let (up, passes) = if level == 1 { (2, true) } else { (1, false) };
        conv(&format!("upcat_{level}.convs.conv_0"), 2 + up, passes);
        conv(&format!("upcat_{level}.convs.conv_1"), 2, passes);
    }
    for level in 1..=4 {
        let up = if level == 1 { 2 } else { 1 };
        put(format!("upcat_{level}.upsample.deconv.weight"), &[2, up, 2, 2], &|_| 0.0);
        put(format!("upcat_{level}.upsample.deconv.bias"), &[up], &|_| 0.0);
    }
    put("final_conv.weight".into(), &[2, 2, 1, 1], &|index| [200.0, 0.0, 0.0, 0.0][index]);
    put("final_conv.bias".into(), &[2], &|index| [-200.0 * threshold, -20.0][index]);
    state
}

/// The recipe, with `SIDE` for the side of the input.
pub(super) fn recipe() -> String {
    of_radiographs(RECIPE)
}

/// Imports the network with an input of `side` pixels into `folder`.
pub(super) fn imported(folder: &Path, side: usize) -> PathBuf {
    imported_by(&recipe(), folder, side)
}

/// The same by another recipe.
pub(super) fn imported_by(text: &str, folder: &Path, side: usize) -> PathBuf {
    let (recipe, file, bundle) =
        (folder.join("bright.toml"), folder.join("bright.safetensors"), folder.join("bright"));
    fs::write(&recipe, text.replace("SIDE", &side.to_string())).unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
    let threshold = (BRIGHT / f64::from(WHITE)) as f32;
    fs::write(&file, models::bundle::tensors::write(&weights(threshold)).unwrap()).unwrap();
    let words = ["models", "import", "--arch", "basic-unet", "--config"].map(Path::new);
    let output = run(&[&words[..], &[&recipe, &file, Path::new("--out"), &bundle]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    bundle
}
