//! Preprocessing as data: a list of steps that a manifest states and that gives
//! what the training side's transforms give.
//!
//! Each resize rule copies one library to the rounding: torchvision's antialiased
//! bilinear resize of float tensors, scikit-image's `resize` as TorchXRayVision
//! calls it, and MONAI's `Resize` in its modes `bilinear` and `area`.
//! `tests/it/preprocessing.rs` compares them with vectors made by those packages.

use serde::{Deserialize, Serialize};

use super::{resample, standardise};
use crate::image::GreyImage;

/// The most steps of a pipeline.
pub const MAX_STEPS: usize = 16;
/// The longest side a pipeline makes, in pixels.
pub const MAX_OUTPUT_SIDE: usize = 1024;

/// From a grey picture of 0 to 1 to a network's input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// The steps in order.
    pub steps: Vec<Step>,
    /// Height of what comes out, in pixels.
    pub height: usize,
    /// Width of what comes out, in pixels.
    pub width: usize,
    /// What each input channel is made of, one a channel; one entry for a grey network.
    pub channels: Vec<Channel>,
}

/// One step, on one plane of values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// The middle square of the shorter side (`torchxrayvision.datasets.XRayCenterCrop`).
    CropSquare,
    /// The middle, padded with zeros where the plane is smaller (torchvision `CenterCrop`).
    CropCentre {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
    /// To a size, aspect not kept.
    Resize {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// The library whose resize this is.
        rule: Resampling,
    },
    /// The shorter side to a length, aspect kept, the longer side cut down to whole pixels (torchvision `Resize(int)`).
    ResizeShorter {
        /// The length in pixels.
        side: usize,
        /// The library whose resize this is.
        rule: Resampling,
    },
    /// `value * scale + shift`; TorchXRayVision's -1024 to 1024 is scale 2048, shift -1024.
    Scale {
        /// The factor.
        scale: f32,
        /// What is added after it.
        shift: f32,
    },
    /// Least value to 0, largest to 1 (MONAI `ScaleIntensity`); a constant plane becomes zeros.
    Stretch,
    /// Minus the plane's mean, divided by its standard deviation ([`standardise`]).
    Standardise,
}

/// Whose resize.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resampling {
    /// torchvision `Resize(antialias=True)`, bilinear, of a float tensor.
    TorchvisionBilinear,
    /// `skimage.transform.resize(mode="constant")` of order 1 with its Gaussian, as `XRayResizer` calls it.
    SkimageLinear,
    /// MONAI `Resize(mode="bilinear")`, which is `torch.nn.functional.interpolate` without antialiasing.
    MonaiBilinear,
    /// MONAI `Resize(mode="area")`, its default: the mean over whole pixels.
    MonaiArea,
}

/// One input channel: `(value - mean) / deviation` (torchvision `Normalize`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// What is subtracted.
    pub mean: f32,
    /// What is divided by.
    pub deviation: f32,
}

/// One plane of values, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plane {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) values: Vec<f32>,
}

/// What is wrong with a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the preprocessing is not usable: {reason}")]
pub struct PipelineError {
    /// What is wrong.
    pub reason: &'static str,
}

impl Pipeline {
    /// torchvision's evaluation of its ImageNet networks: shorter side to 256, the middle 224, ImageNet's mean and
    /// deviation a channel. A grey picture goes into all channels; with another number than three each has their mean.
    pub fn imagenet(channels: usize) -> Self {
        let channel = |(mean, deviation)| Channel { mean, deviation };
        let colours = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)].map(channel);
        let grey = Channel { mean: 0.449, deviation: 0.226 };
        Self {
            steps: vec![
                Step::ResizeShorter { side: 256, rule: Resampling::TorchvisionBilinear },
                Step::CropCentre { height: 224, width: 224 },
            ],
            height: 224,
            width: 224,
            channels: if channels == 3 { colours.to_vec() } else { vec![grey; channels] },
        }
    }

    /// TensorFlow's of EfficientNet-Lite: as [`Self::imagenet`], with `(x - 127) / 128` of a value up to 255.
    pub fn efficientnet_lite(channels: usize) -> Self {
        let channel = Channel { mean: 127.0 / 255.0, deviation: 128.0 / 255.0 };
        Self { channels: vec![channel; channels], ..Self::imagenet(channels) }
    }

    /// TorchXRayVision's: to -1024..1024, the middle square, 224 x 224 by scikit-image.
    pub fn torchxrayvision() -> Self {
        Self {
            steps: vec![
                Step::Scale { scale: 2048.0, shift: -1024.0 },
                Step::CropSquare,
                Step::Resize { height: 224, width: 224, rule: Resampling::SkimageLinear },
            ],
            height: 224,
            width: 224,
            channels: vec![Channel { mean: 0.0, deviation: 1.0 }],
        }
    }

    /// MedMNIST's: a picture of 28 px as it is, `Normalize(mean=[.5], std=[.5])`; a larger one is resized first.
    pub fn medmnist(channels: usize) -> Self {
        Self {
            steps: vec![Step::Resize { height: 28, width: 28, rule: Resampling::TorchvisionBilinear }],
            height: 28,
            width: 28,
            channels: vec![Channel { mean: 0.5, deviation: 0.5 }; channels],
        }
    }

    /// Whether the steps give what the pipeline promises, whatever picture comes.
    pub fn check(&self) -> Result<(), PipelineError> {
        let wrong = |reason| Err(PipelineError { reason });
        let size = |height: usize, width: usize| {
            (1..=MAX_OUTPUT_SIDE).contains(&height) && (1..=MAX_OUTPUT_SIDE).contains(&width)
        };
        if self.steps.len() > MAX_STEPS {
            return wrong("it has too many steps");
        }
        if self.channels.is_empty() || self.channels.len() > crate::network::architecture::MAX_INPUT_CHANNELS
        {
            return wrong("it makes no channel or too many");
        }
        if !self.channels.iter().all(|c| c.mean.is_finite() && c.deviation.is_finite() && c.deviation > 0.0) {
            return wrong("a channel's mean or deviation is not usable");
        }
        let mut last = None;
        for step in &self.steps {
            match step {
                Step::Resize { height, width, .. } | Step::CropCentre { height, width } => {
                    if !size(*height, *width) {
                        return wrong("a step's size is 0 or too large");
                    }
                    last = Some((*height, *width));
                }
                Step::ResizeShorter { side, .. } => {
                    if !size(*side, *side) {
                        return wrong("a step's size is 0 or too large");
                    }
                    last = None;
                }
                Step::CropSquare => last = last.filter(|(height, width)| height == width),
                Step::Scale { scale, shift } => {
                    if !scale.is_finite() || !shift.is_finite() {
                        return wrong("a scale or shift is not a finite number");
                    }
                }
                Step::Stretch | Step::Standardise => {}
            }
        }
        if last != Some((self.height, self.width)) {
            return wrong("its steps do not end at its height and width");
        }
        Ok(())
    }

    /// The network's input for one picture, `[channels, height, width]`; the pipeline is [checked](Self::check).
    pub fn apply(&self, image: &GreyImage) -> Vec<f32> {
        let plane = self.plane(image);
        let channel = |channel: &Channel| {
            let Channel { mean, deviation } = *channel;
            plane.values.iter().map(move |value| (value - mean) / deviation)
        };
        self.channels.iter().flat_map(channel).collect()
    }

    /// The plane before the channels are made of it.
    fn plane(&self, image: &GreyImage) -> Plane {
        let start = Plane { height: image.height(), width: image.width(), values: image.pixels().to_vec() };
        self.steps.iter().fold(start, |plane, step| step.apply(plane))
    }

    /// Brings a map in the network's input geometry back into that of a picture of `height` x `width`: the inverse of
    /// crops and resizes, bilinear, 0 where the network saw nothing.
    pub fn back(&self, map: &GreyImage, height: usize, width: usize) -> GreyImage {
        let window = self.window(height, width);
        let mut pixels = Vec::with_capacity(height * width);
        for y in 0..height {
            let v = (y as f64 + 0.5 - window.top) / window.height * map.height() as f64 - 0.5;
            for x in 0..width {
                let u = (x as f64 + 0.5 - window.left) / window.width * map.width() as f64 - 0.5;
                pixels.push(resample::at(map, v, u));
            }
        }
        GreyImage::clamped(width, height, pixels)
    }

    /// The part of a picture of `height` x `width` that the network sees, in the picture's pixels.
    fn window(&self, height: usize, width: usize) -> Window {
        let mut window = Window { top: 0.0, left: 0.0, height: height as f64, width: width as f64 };
        let (mut rows, mut columns) = (height, width);
        for step in &self.steps {
            match step {
                Step::CropSquare | Step::CropCentre { .. } => {
                    let (high, wide) = match step {
                        Step::CropCentre { height, width } => (*height, *width),
                        _ => (rows.min(columns), rows.min(columns)),
                    };
                    let (top, left) = resample::crop_start(rows, columns, high, wide, step);
                    let (pixel_high, pixel_wide) =
                        (window.height / rows as f64, window.width / columns as f64);
                    window.top += top as f64 * pixel_high;
                    window.left += left as f64 * pixel_wide;
                    window.height = high as f64 * pixel_high;
                    window.width = wide as f64 * pixel_wide;
                    (rows, columns) = (high, wide);
                }
                Step::Resize { height, width, .. } => (rows, columns) = (*height, *width),
                Step::ResizeShorter { side, .. } => {
                    (rows, columns) = resample::shorter(rows, columns, *side);
                }
                Step::Scale { .. } | Step::Stretch | Step::Standardise => {}
            }
        }
        window
    }
}

/// A rectangle in pixels; a crop that pads starts before 0.
struct Window {
    top: f64,
    left: f64,
    height: f64,
    width: f64,
}

impl Step {
    fn apply(&self, plane: Plane) -> Plane {
        match self {
            Self::CropSquare => {
                let side = plane.height.min(plane.width);
                resample::crop(&plane, side, side, self)
            }
            Self::CropCentre { height, width } => resample::crop(&plane, *height, *width, self),
            Self::Resize { height, width, rule } => resample::resize(plane, *height, *width, *rule),
            Self::ResizeShorter { side, rule } => {
                let (height, width) = resample::shorter(plane.height, plane.width, *side);
                resample::resize(plane, height, width, *rule)
            }
            Self::Scale { scale, shift } => each(&plane, |value| value * scale + shift),
            Self::Stretch => {
                let (low, high) = plane
                    .values
                    .iter()
                    .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
                let span = high - low;
                each(&plane, |value| if span > 0.0 { (value - low) / span } else { 0.0 })
            }
            Self::Standardise => Plane { values: standardise(&plane.values), ..plane },
        }
    }
}

fn each(plane: &Plane, change: impl Fn(f32) -> f32) -> Plane {
    Plane { values: plane.values.iter().map(|value| change(*value)).collect(), ..*plane }
}
