//! Where a classifier looked: its maps beside PyTorch's, and what files of them are.

use models::import::recipe::bundle as import_bundle;
use models::score::{Explanation, overlay};
use models::{GreyImage, Scorer};
use serde::Deserialize;

use crate::classifier::{cpu, made, recipe};
use crate::{formula, import};

#[derive(Deserialize)]
struct GradCam {
    side: usize,
    height: usize,
    width: usize,
    #[serde(rename = "grad_cam")]
    maps: Vec<Vec<f64>>,
    square: usize,
    step: usize,
    occlusion_rows: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Reference {
    grad_cam: GradCam,
}

/// Reference: hooks and autograd of torch on the same network.
#[test]
fn maps_are_those_of_pytorch() {
    let reference: Reference = serde_json::from_str(include_str!("../reference/parity.json")).unwrap();
    let stated = reference.grad_cam;
    let scorer = Scorer::load(&made(), &cpu()).unwrap();
    let picture = formula::smooth(stated.side, stated.side);
    for (index, label) in ["first", "second", "third"].iter().enumerate() {
        let small = GreyImage::new(
            stated.width,
            stated.height,
            #[expect(clippy::cast_possible_truncation, reason = "pixels are f32")]
            stated.maps[index].iter().map(|value| *value as f32).collect(),
        )
        .unwrap();
        let enlarged = recipe().preprocessing.unwrap().back(&small, stated.side, stated.side);
        let found = scorer.saliency(&picture, label).unwrap();
        let worst =
            found.pixels().iter().zip(enlarged.pixels()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "{label}: {worst}");
        let occlusion = Explanation::Occlusion { side: stated.square, step: stated.step };
        let found = scorer.explain(&picture, label, occlusion).unwrap();
        let rows = (0..stated.side).step_by(8);
        let values = rows.flat_map(|y| (0..stated.side).step_by(8).map(move |x| (y, x)));
        for ((y, x), value) in values.zip(&stated.occlusion_rows[index]) {
            let own = f64::from(found.pixels()[y * stated.side + x]);
            assert!((own - value).abs() < 1e-3, "{label} at {x}, {y}: {own} {value}");
        }
    }
    let too_fine = Explanation::Occlusion { side: 1, step: 1 };
    // 64 x 64 windows are allowed, and no more
    assert!(scorer.explain(&picture, "first", too_fine).is_ok());
    assert_eq!(scorer.saliency(&picture, "fourth").unwrap_err().code(), "ScoreUnknownLabel");
}

/// Adebayo et al. 2018, "Sanity checks for saliency maps": a map that stays when the weights are drawn anew shows the
/// picture, not the network.
#[test]
fn maps_change_when_the_weights_are_drawn_anew() {
    let picture = formula::smooth(64, 64);
    let trained = Scorer::load(&made(), &cpu()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    let state = models::import::import(&import::file("resnet.pt"), &import::resnet()).unwrap().state;
    let bytes = models::bundle::tensors::write(&formula::filled(&state, 99)).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let drawn = Scorer::load(&import_bundle(&path, "resnet18", &recipe(), None).unwrap().0, &cpu()).unwrap();
    for explanation in [Explanation::Coarse, Explanation::Occlusion { side: 16, step: 8 }] {
        for label in ["first", "second", "third"] {
            let one = trained.explain(&picture, label, explanation).unwrap();
            let other = drawn.explain(&picture, label, explanation).unwrap();
            let alike = correlation(one.pixels(), other.pixels());
            assert!(alike < 0.7, "{label} {explanation:?}: {alike}");
            let again = trained.explain(&picture, label, explanation).unwrap();
            assert_eq!(one, again);
        }
    }
}

fn correlation(one: &[f32], other: &[f32]) -> f64 {
    let mean = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
    let (a, b) = (mean(one), mean(other));
    let (mut ab, mut aa, mut bb) = (0.0, 1e-12, 1e-12);
    for (x, y) in one.iter().zip(other) {
        let (x, y) = (f64::from(*x) - a, f64::from(*y) - b);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    ab / (aa * bb).sqrt()
}

#[test]
fn an_overlay_is_a_picture_and_an_array_is_one_numpy_reads() {
    let picture = formula::smooth(30, 44);
    let map = formula::smooth(30, 44);
    let png = overlay::png(&picture, &map).unwrap();
    let decoded = image::load_from_memory(&png).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (44, 30));
    assert!(overlay::png(&picture, &formula::smooth(44, 30)).is_none());
    let npy = overlay::npy(&map);
    assert_eq!(&npy[..8], b"\x93NUMPY\x01\x00");
    let length = usize::from(u16::from_le_bytes([npy[8], npy[9]]));
    assert_eq!((10 + length) % 64, 0);
    assert_eq!(npy[9 + length], b'\n');
    assert_eq!(npy.len(), 10 + length + 4 * 30 * 44);
    let header = std::str::from_utf8(&npy[10..10 + length]).unwrap();
    assert!(header.contains("'descr': '<f4', 'fortran_order': False, 'shape': (30, 44)"), "{header}");
}
