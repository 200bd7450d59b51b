//! `chiasm bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use models::device::ShadingLanguage;

use super::DeviceArg;

/// `chiasm bench`.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  \
    chiasm bench device --json device.json\n  \
    chiasm bench model --arch densenet121 --batch 1,8,32 --json before.json\n  \
    chiasm bench compare before.json after.json\n\n\
    docs/performance.md tells how it is measured and what the figures mean.")]
pub enum BenchCommand {
    /// What the device is, and how fast it copies, multiplies and convolves through Burn.
    Device(DeviceBenchArgs),
    /// A network or a bundle: latency and rate by batch, memory, warm-up, and how near each layer is to the device's bounds.
    Model(ModelBenchArgs),
    /// The whole way of the worker on this machine: studies a second, where the time goes, how busy the device is.
    Pipeline(PipelineBenchArgs),
    /// The same for a long time: memory and latency as they go.
    Soak(SoakBenchArgs),
    /// Ratios of two measurements with intervals, and which differences are noise.
    #[command(
        after_help = "Exit code 1 when the files cannot be compared; with --fail-if-worse also when a figure is worse."
    )]
    Compare(CompareArgs),
}

/// What all measurements have.
#[derive(Debug, Clone, Args)]
pub struct MeasureArgs {
    /// Write the measurement to this file (JSON), and its plots beside it (SVG, PNG).
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Rounds; everything that is compared takes its turn in each.
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Seconds that each piece of work is repeated, over all rounds; three times a round at least.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    pub seconds: f64,
    /// Seed of weights and pictures.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

/// The language of kernels on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShaderArg {
    /// WGSL.
    Wgsl,
    /// SPIR-V; only in a program built with the feature `spirv`, on Vulkan.
    Spirv,
}

impl ShaderArg {
    /// The same as the device says it.
    pub fn language(self) -> ShadingLanguage {
        match self {
            Self::Wgsl => ShadingLanguage::Wgsl,
            Self::Spirv => ShadingLanguage::SpirV,
        }
    }
}

/// `chiasm bench device`.
#[derive(Debug, Args)]
pub struct DeviceBenchArgs {
    /// The device.
    #[arg(long, value_enum, default_value = "auto")]
    pub device: DeviceArg,
    /// Measure only where kernels are handed to the GPU in this language. Which it is follows from the build and the driver;
    /// the file says it.
    #[arg(long, value_enum)]
    pub shader: Option<ShaderArg>,
    /// How it is measured.
    #[command(flatten)]
    pub measure: MeasureArgs,
}

/// The precision of weights and activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PrecisionArg {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16, where the device computes in it.
    F16,
}

/// `chiasm bench model`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    chiasm bench model cxr-findings\n  \
    chiasm bench model --arch resnet50 --side 224 --batch 1,2,4,8 --precision f16 --device gpu --json resnet50.json")]
pub struct ModelBenchArgs {
    /// `cxr-findings` or a bundle's folder: measured as it serves, with its preprocessing and all of its networks.
    #[arg(value_name = "BUNDLE", required_unless_present = "arch", conflicts_with = "arch")]
    pub bundle: Option<String>,
    /// A network alone: `resnet18`, `resnet18-28`, `resnet50`, `densenet121`, `convnext-tiny`, `efficientnet-lite0`,
    /// `basic-unet`; of volumes `resnet18-3d`, `medicalnet-resnet18`, `basic-unet-3d`.
    #[arg(long, value_name = "NAME")]
    pub arch: Option<String>,
    /// Height and width of the network's pictures; a volume has as many slices.
    #[arg(long, value_name = "PIXELS", default_value_t = 224, value_parser = clap::value_parser!(u32).range(8..=4096))]
    pub side: u32,
    /// Channels of the network's pictures.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub channels: u32,
    /// Outputs of the network.
    #[arg(long, value_name = "NUMBER", default_value_t = 18, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub outputs: u32,
    /// Pictures of a batch; several are swept.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,2,4,8,16", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub batch: Vec<u32>,
    /// Precision of weights and activations.
    #[arg(long, value_enum, default_value = "f32")]
    pub precision: PrecisionArg,
    /// Leave the table of layers out, each of which is measured by itself.
    #[arg(long)]
    pub no_layers: bool,
    /// The device.
    #[arg(long, value_enum, default_value = "auto")]
    pub device: DeviceArg,
    /// Measure only where kernels are handed to the GPU in this language. Two languages are two programs, built without and
    /// with the feature `spirv`; `chiasm bench compare` sets their files beside each other.
    #[arg(long, value_enum)]
    pub shader: Option<ShaderArg>,
    /// How it is measured.
    #[command(flatten)]
    pub measure: MeasureArgs,
}

/// What measurements of the whole way have.
#[derive(Debug, Clone, Args)]
pub struct WayArgs {
    /// Phantom studies of a run, each of a patient of its own with a record.
    #[arg(long, value_name = "NUMBER", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub studies: u32,
    /// Seed of the studies.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Folder for studies, ledger and reports, removed afterwards; it decides which disk is measured.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Write the measurement to this file (JSON), and its plot beside it (SVG, PNG).
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// The device.
    #[arg(long, value_enum, default_value = "auto")]
    pub device: DeviceArg,
}

/// `chiasm bench pipeline`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  chiasm bench pipeline --studies 100 --decoders 1,2,4 --json pipeline.json"
)]
pub struct PipelineBenchArgs {
    /// Processes that read files; several are measured in turns.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1,2", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub decoders: Vec<u32>,
    /// Runs of each.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// What is run.
    #[command(flatten)]
    pub way: WayArgs,
}

/// `chiasm bench soak`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chiasm bench soak --minutes 60 --json soak.json")]
pub struct SoakBenchArgs {
    /// Begins no run after so many minutes.
    #[arg(long, value_name = "MINUTES", default_value_t = 10.0, value_parser = minutes)]
    pub minutes: f64,
    /// Processes that read files.
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub decoders: u32,
    /// What is run.
    #[command(flatten)]
    pub way: WayArgs,
}

/// `chiasm bench compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The measurement to compare with.
    #[arg(value_name = "BEFORE.json")]
    pub before: PathBuf,
    /// The measurement.
    #[arg(value_name = "AFTER.json")]
    pub after: PathBuf,
    /// One JSON object on standard output instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Exit code 1 when a figure is worse beyond noise.
    #[arg(long)]
    pub fail_if_worse: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        Ok(_) | Err(_) => Err("between 0 and 3600".to_owned()),
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if (0.0..=10_080.0).contains(&minutes) => Ok(minutes),
        Ok(_) | Err(_) => Err("between 0 and 10080".to_owned()),
    }
}
