//! Training: of the bundle `cxr-findings`, an ensemble that is the
//! cross-validation itself, and of one [`classifier`] of any architecture. Both
//! go through the same epochs, checkpoints and steps.
//!
//! Each member leaves one fold of the training patients out; what it says of
//! those gives calibration and thresholds, so nothing is calibrated on a patient
//! it was trained on. The validation patients are scored once, by the finished
//! bundle, for the card. A readout of a network that learnt from other pictures may
//! stand beside the members ([`ReadoutRecipe`]); its ridges leave the same folds out.

mod assemble;
mod augment;
mod baseline;
mod card;
mod checkpoint;
pub mod classifier;
pub mod classifier_bundle;
mod config;
mod data;
mod describe;
mod findings;
mod fit;
mod frontal;
mod learner;
mod negatives;
mod phantom;
mod readout;
mod results;
pub mod vocabulary;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use checkpoint::{Checkpoints, RunDigest};
use fit::MOST_EPOCHS;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::bundle::{Bundle, BundleError};
use crate::device::{Device, DeviceChoice};
use crate::image::GreyImage;
use crate::network::{Architecture, ArchitectureError, NetworkConfig, Stage as NetworkStage};

pub use augment::Augmentation;
pub use checkpoint::CheckpointError;
pub use config::{Example, FINDINGS, Material, Progress, Split, Stage, TrainConfig, TrainError};
pub use readout::ReadoutRecipe;
pub use results::{LabelResult, Results};

/// Most folds of an ensemble: each is two networks.
const MOST_FOLDS: usize = 100;

/// What a training run gives.
#[derive(Debug, Clone)]
pub struct TrainedBundle {
    bundle: Bundle,
    results: Results,
}

impl TrainedBundle {
    /// The bundle, as it will be opened again.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// What was measured.
    pub fn results(&self) -> &Results {
        &self.results
    }

    /// Writes the bundle into the folder `dir`.
    pub fn write(&self, dir: &Path) -> Result<(), BundleError> {
        self.bundle.write(dir)
    }
}

/// Trains, calibrates and measures a bundle on the CPU.
///
/// The same material in the same order and the same configuration give the same bytes on the same kind of processor, with any
/// number of threads. With a folder for `checkpoints`, a run that was killed goes
/// on where it stood, to the same bytes.
pub fn train(
    material: Material<'_>,
    config: &TrainConfig,
    checkpoints: Option<&Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<TrainedBundle, TrainError> {
    check(config)?;
    if config.readout.is_some() != material.backbone.is_some() {
        let reason = "a recipe with a readout needs the weights that it stands on, and one without has no use for them";
        return Err(TrainError::Config { field: "readout", reason });
    }
    let Material { examples, negatives, .. } = material;
    config::parts_are_apart(examples.iter().map(|example| (example.patient.as_str(), example.split)))?;
    let device =
        Device::open(DeviceChoice::Cpu).map_err(|error| TrainError::Device { reason: error.to_string() })?;
    let data = data::Data::new(examples, config)?;
    let photographs = frontal::prepare(negatives);
    let checkpoints = Checkpoints::new(checkpoints, run_digest(examples, negatives, config));
    let folds = train_folds(&data, &photographs, config, (&device, &checkpoints), progress)?;
    assemble::assemble(material, &data, folds, config, &device)
}

/// Digest of all that the networks' weights depend on: recipe, pictures and targets, not the number of threads. A readout is
/// fitted when they are done.
fn run_digest(examples: &[Example], negatives: &[GreyImage], config: &TrainConfig) -> String {
    let recipe = TrainConfig {
        threads: 1,
        command: String::new(),
        bootstrap_rounds: 1,
        readout: None,
        ..config.clone()
    };
    let mut digest = RunDigest::new(&recipe);
    for example in examples.iter().filter(|example| example.split == Split::Train) {
        digest.picture(&example.image);
        digest.numbers(&example.labels);
        digest.numbers(&example.teacher);
        let flags = [f32::from(u8::from(example.male)), f32::from(u8::from(example.view_ap))];
        digest.numbers(&[example.age_years, flags[0], flags[1]]);
        digest.text(&example.patient);
    }
    for picture in negatives {
        digest.picture(picture);
    }
    digest.finish()
}

/// Both networks of one fold.
struct Fold {
    findings: findings::FindingsFold,
    frontal: frontal::FrontalFold,
}

fn train_folds(
    data: &data::Data,
    photographs: &[GreyImage],
    config: &TrainConfig,
    (device, checkpoints): (&Device, &Checkpoints),
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Fold>, TrainError> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut folds = std::thread::scope(|scope| {
        let mut workers = Vec::new();
        let mut refused = None;
        for _ in 0..config.threads.min(config.folds) {
            let (sender, next) = (sender.clone(), &next);
            let work = move || {
                let mut done = Vec::new();
                loop {
                    let fold = next.fetch_add(1, Ordering::Relaxed);
                    if fold >= config.folds {
                        return done;
                    }
                    // the caller may have gone; then nobody listens, which is no error
                    let report = |event| drop(sender.send(event));
                    let at = (device, checkpoints);
                    done.push((fold, train_fold(data, photographs, config, fold, at, &report)));
                }
            };
            match std::thread::Builder::new().spawn_scoped(scope, work) {
                Ok(worker) => workers.push(worker),
                // those that are there train all folds
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        drop(sender);
        if let (true, Some(error)) = (workers.is_empty(), refused) {
            return Err(TrainError::Device { reason: format!("no thread could be started: {error}") });
        }
        for event in receiver {
            progress(event);
        }
        Ok(workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect::<Vec<_>>())
    })?;
    folds.sort_by_key(|(fold, _)| *fold);
    if folds.len() != config.folds {
        return Err(TrainError::Device { reason: "a training thread stopped".to_owned() });
    }
    folds.into_iter().map(|(_, fold)| fold).collect()
}

fn train_fold(
    data: &data::Data,
    photographs: &[GreyImage],
    config: &TrainConfig,
    fold: usize,
    (device, checkpoints): (&Device, &Checkpoints),
    report: &dyn Fn(Progress),
) -> Result<Fold, TrainError> {
    let frontal = frontal::train(data, photographs, config, fold, device.burn(), checkpoints, report)?;
    let passed = frontal.left_out.iter().filter(|(_, logit)| *logit > 0.0).count();
    let score = passed as f64 / frontal.left_out.len().max(1) as f64;
    report(Progress::Fold { stage: Stage::Frontal, fold, score });
    let findings = findings::train(data, config, fold, device.burn(), checkpoints, report)?;
    let score = results::mean_auroc(data, &findings.left_out);
    report(Progress::Fold { stage: Stage::Findings, fold, score });
    Ok(Fold { findings, frontal })
}

fn check(config: &TrainConfig) -> Result<(), TrainError> {
    let wrong = |field, reason| Err(TrainError::Config { field, reason });
    if !(2..=MOST_FOLDS).contains(&config.folds) {
        return wrong("folds", "2 to 100 are needed");
    }
    for (field, epochs) in [("epochs", config.epochs), ("frontal_epochs", config.frontal_epochs)] {
        if !(1..=MOST_EPOCHS).contains(&epochs) {
            return wrong(field, "1 to 1,000,000 are needed");
        }
    }
    if config.batch < 2 {
        return wrong("batch", "at least 2 are needed");
    }
    if config.threads == 0 {
        return wrong("threads", "at least 1 is needed");
    }
    for (field, channels) in [("channels", &config.channels), ("frontal_channels", &config.frontal_channels)]
    {
        if channels.is_empty() {
            return wrong(field, "at least one stage is needed");
        }
    }
    if config.strides.len() != config.channels.len() || config.strides.contains(&0) {
        return wrong("strides", "one stride of at least 1 a stage is needed");
    }
    for (field, side, range) in [
        ("side", config.side, 16..=1024),
        ("frontal_side", config.frontal_side, 16..=1024),
        ("thumbnail_side", config.thumbnail_side, 2..=64),
    ] {
        if !range.contains(&side) {
            return wrong(field, "pictures are too small or too large");
        }
    }
    if let Some((field, reason)) = config.readout.as_ref().and_then(|readout| readout.check().err()) {
        return wrong(field, reason);
    }
    match Architecture::Residual(findings::architecture(config)).check() {
        Ok(()) => {}
        Err(ArchitectureError::Limit { field: "stride", .. }) => {
            return wrong("strides", "a network of these strides is outside the limits");
        }
        Err(_) => return wrong("channels", "a network of these channels is outside the limits"),
    }
    if Architecture::Residual(frontal::architecture(config)).check().is_err() {
        return wrong("frontal_channels", "a network of these channels is outside the limits");
    }
    Ok(())
}

/// A stem of 5x5 with stride 2 and one residual block a stage.
fn residual(side: usize, channels: &[usize], strides: &[usize], outputs: usize) -> NetworkConfig {
    let stages = channels
        .iter()
        .zip(strides)
        .map(|(channels, stride)| NetworkStage { channels: *channels, stride: *stride })
        .collect();
    let stem = channels.first().copied().unwrap_or(1);
    NetworkConfig { input: side, stem, stem_kernel: 5, stages, outputs }
}

/// The generator of one purpose in one fold.
fn generator(seed: u64, purpose: u64, fold: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(purpose << 32 | fold as u64);
    rng
}
