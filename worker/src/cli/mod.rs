//! The command line: what can be asked, with help texts and examples.

pub mod bench;
pub mod config;
pub mod deidentify;
pub mod features;
pub mod fusion;
pub mod inspect;
pub mod jobs;
pub mod mercure;
pub mod models;
pub mod queue;
pub mod recall;
pub mod receive;
pub mod submit;
pub mod top;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use bench::BenchCommand;
use config::ConfigCommand;
use deidentify::DeidentifyArgs;
use features::FeaturesArgs;
use fusion::FusionCommand;
use inspect::InspectArgs;
use jobs::JobsCommand;
use mercure::MercureArgs;
use queue::QueueCommand;
use recall::{RecallArgs, ReplayArgs};
use receive::ReceiveArgs;
use submit::SubmitArgs;
use top::TopArgs;

use crate::message::Name;
use crate::report::Language;

/// Reads radiographs and the patient's record, and writes a FHIR report.
///
/// Research software, not a medical device.
#[derive(Debug, Parser)]
#[command(
    name = "chiasm",
    version,
    after_help = "Exit codes: 0 all reported, 1 any failed, 2 wrong usage, 3 any refused (and none failed).\n\
                  Start with `chiasm demo`."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The options of the site, where the command has them.
    pub fn site(&self) -> Option<&SiteArgs> {
        match &self.command {
            Command::Analyze(args) => Some(&args.site),
            Command::Submit(args) => Some(&args.site),
            Command::Mercure(args) => Some(&args.site),
            Command::Worker(args) => Some(&args.site),
            Command::Receive(args) => Some(&args.site),
            Command::Config(ConfigCommand::Check(args)) => Some(&args.site),
            Command::Replay(args) => Some(&args.site),
            Command::Inspect(args) => Some(&args.site),
            Command::Deidentify(args) => Some(&args.site),
            Command::Demo(_)
            | Command::Top(_)
            | Command::Jobs(_)
            | Command::Recall(_)
            | Command::Queue(_)
            | Command::Features(_)
            | Command::Fusion(_)
            | Command::Models(_)
            | Command::Bench(_)
            | Command::Config(ConfigCommand::Jwks(_))
            | Command::DecodeProcess
            | Command::DeviceProcess(_) => None,
        }
    }
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Analyse studies now and write one report a study.
    Analyze(AnalyzeArgs),
    /// Show what a study is, what would be read of it, and why not the rest.
    Inspect(InspectArgs),
    /// Write DICOM files without what identifies their patients (PS3.15 annex E).
    Deidentify(DeidentifyArgs),
    /// Make a phantom study with a synthetic record, analyse both, and show the report.
    Demo(DemoArgs),
    /// Ask for the analysis of studies: by their UIDs over the queue, or of files of this machine.
    Submit(SubmitArgs),
    /// Run once as a processing module of mercure.
    Mercure(MercureArgs),
    /// Take requests from the queue and jobs from the ledger, and carry them to their reports.
    Worker(WorkerArgs),
    /// Take studies that archives and modalities send over DICOM, and ask for their analysis.
    Receive(ReceiveArgs),
    /// See what waits on the queue, and what nobody could do anything with.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Look at the jobs of the ledger, retry or cancel them.
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// List what a model made, and withdraw it.
    Recall(RecallArgs),
    /// Make stored reports again, and say whether every byte is the same.
    Replay(ReplayArgs),
    /// Watch workers from their metrics.
    Top(TopArgs),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print what a record said at a time, as features.
    Features(FeaturesArgs),
    /// Train, evaluate and use models of tables, with and without pictures.
    #[command(subcommand)]
    Fusion(FusionCommand),
    /// Train models, and show what is known of them.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Measure this machine, a model on it, or two measurements against each other.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// A reader of files, bounded by the system, which whoever reads files starts itself.
    #[command(hide = true)]
    DecodeProcess,
    /// The device of a worker, which starts this itself.
    #[command(hide = true)]
    DeviceProcess(DeviceProcessArgs),
}

/// Options that change how a study is read.
#[derive(Debug, Clone, Args)]
pub struct SiteArgs {
    /// Configuration file; `chiasm.toml` in the repository shows every key.
    #[arg(long, value_name = "FILE", env = "CHIASM_CONFIG")]
    pub config: Option<PathBuf>,
    /// Zone of DICOM times without an offset (0008,0201), such as `Europe/Berlin`.
    #[arg(long, value_name = "ZONE", env = "CHIASM_SITE_ZONE")]
    pub site_zone: Option<String>,
    /// Language of the reports: `en` or `de`.
    #[arg(long, value_name = "LANGUAGE", env = "CHIASM_LANGUAGE")]
    pub language: Option<Language>,
}

/// Where a network runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeviceArg {
    /// A GPU where there is a real one, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// A GPU through wgpu, a software one too; an error where there is none.
    Gpu,
}

impl DeviceArg {
    /// As it is written on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
        }
    }
}

/// `chiasm device-process`.
#[derive(Debug, Args)]
pub struct DeviceProcessArgs {
    /// Where the networks run.
    #[arg(long, value_enum)]
    pub device: DeviceArg,
    /// Log JSON lines.
    #[arg(long)]
    pub json_log: bool,
}

/// `chiasm analyze`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    chiasm analyze study/ --record patient.json\n  \
    chiasm analyze a.dcm b.dcm archive/ --record records/ --out reports --json")]
pub struct AnalyzeArgs {
    /// DICOM files, folders or ZIP archives, nested, any names, several studies and patients mixed.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// A FHIR R4 bundle of the patient, or a folder with one bundle a patient (matched by identifier).
    #[arg(long, value_name = "FILE|DIR")]
    pub record: Option<PathBuf>,
    /// The pipeline that is to read the studies: `chest-radiograph`, or one of the configuration.
    #[arg(long, value_name = "NAME")]
    pub pipeline: Option<Name>,
    /// Where the reports go: one folder a study, named by its StudyInstanceUID.
    #[arg(long, value_name = "DIR", default_value = "chiasm-out")]
    pub out: PathBuf,
    /// Where the networks run.
    #[arg(long, value_enum, default_value = "auto")]
    pub device: DeviceArg,
    /// One JSON line a study on standard output; everything else goes to standard error.
    #[arg(long)]
    pub json: bool,
    /// How the site reads times and names patients.
    #[command(flatten)]
    pub site: SiteArgs,
}

/// `chiasm demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where study, record and report go.
    #[arg(long, value_name = "DIR", default_value = "chiasm-demo")]
    pub out: PathBuf,
    /// Language of the report: `en` or `de`.
    #[arg(long, value_name = "LANGUAGE", env = "CHIASM_LANGUAGE")]
    pub language: Option<Language>,
    /// Another seed draws another patient.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Leave the opacity out of the phantom.
    #[arg(long)]
    pub clear_lungs: bool,
    /// Where the networks run.
    #[arg(long, value_enum, default_value = "auto")]
    pub device: DeviceArg,
    /// The JSON line of `analyze` on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `chiasm worker`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    chiasm worker --once                        # works off what was submitted, then ends\n  \
    chiasm worker --config /etc/chiasm/chiasm.toml\n\n\
    SIGTERM finishes what is under way within `grace_s`, hands back the rest and exits 0.\n\
    A second SIGTERM ends at once (exit code 143); nothing is lost by it.")]
pub struct WorkerArgs {
    /// Take jobs until none is left, then end; without it the worker runs until it is told to stop.
    #[arg(long)]
    pub once: bool,
    /// Where the networks run.
    #[arg(long, value_enum, default_value = "auto")]
    pub device: DeviceArg,
    /// One JSON line a study on standard output.
    #[arg(long)]
    pub json: bool,
    /// Where the ledger lies.
    #[command(flatten)]
    pub state: StateArgs,
    /// How the site reads times and names patients.
    #[command(flatten)]
    pub site: SiteArgs,
}

/// Where the ledger lies.
#[derive(Debug, Clone, Args)]
pub struct StateArgs {
    /// Folder of this machine's queue and ledger; `state` of the configuration, else `chiasm-state`.
    #[arg(long, value_name = "DIR", env = "CHIASM_STATE")]
    pub state: Option<PathBuf>,
}

/// `chiasm models`.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// Train a model as a configuration file says; killed and started again, it goes on where it stood.
    Train(TrainArgs),
    /// Train the late fusion `icu-concurrent` on radiographs with dated records.
    TrainFusion(TrainFusionArgs),
    /// Measure a model on pictures it was not trained on: JSON, Markdown and a figure a label (SVG, PNG).
    Evaluate(EvaluateArgs),
    /// Print the card of a model that is built in, or of the bundle in a folder.
    Card {
        /// `cxr-findings`, `icu-concurrent` or a bundle's folder.
        id: String,
    },
    /// Make a bundle of a trained network: a PyTorch state dict or safetensors. No pickle is run.
    Import(models::ImportArgs),
    /// List the models that are built in and the bundles in a folder, and whether each verifies.
    List(models::ListArgs),
    /// Show what a bundle says of itself.
    Show(models::BundleArgs),
    /// Verify a bundle: digests, seal, signature, and its self-test on the device.
    Verify(models::VerifyArgs),
    /// Sign a bundle with an Ed25519 key.
    Sign(models::SignArgs),
    /// Make an Ed25519 key: the private half into a file, the public half, which sites pin, on standard output.
    Key(models::KeyArgs),
    /// Show where in a picture a finding's score comes from: an overlay (PNG) and an array (NumPy).
    Explain(models::ExplainArgs),
}

/// `chiasm models evaluate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    chiasm models evaluate training/pneumonia-mnist.toml --data pneumoniamnist_train_val.npz --model bundle --out report\n  \
    chiasm models evaluate --scores scores.csv --out report")]
pub struct EvaluateArgs {
    /// The training configuration, which says how the data is read; its validation part is scored.
    #[arg(value_name = "CONFIG", required_unless_present = "scores", requires_all = ["data", "model"])]
    pub config: Option<PathBuf>,
    /// The data.
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,
    /// The bundle's folder.
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// A table of scores of any model instead: `patient`, for each label `<label>` (0, 1), `<label>_probability` and,
    /// where it is not one half, `<label>_threshold`, and attributes that subgroups are made by as `group_<name>`.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub scores: Option<PathBuf>,
    /// Folder that the evaluation is written to.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Resamples of the patients behind each interval.
    #[arg(long, value_name = "NUMBER", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rounds: u32,
    /// Seed of the resamples.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}

/// `chiasm models train-fusion`.
#[derive(Debug, Args)]
pub struct TrainFusionArgs {
    /// Folder with the studies and their labels.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Folder that the trained model is written to.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `chiasm models train`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    chiasm models train training/pneumonia-mnist.toml --data pneumoniamnist_train_val.npz --out bundle --checkpoints run1\n  \
    chiasm models train training/cxr-findings.toml --data cxr-nih/ --negatives photographs/ --backbone lite0.pth --out bundle")]
pub struct TrainArgs {
    /// The recipe (TOML); `training/` in the repository has commented ones. Without it, the networks of `cxr-findings` alone.
    #[arg(value_name = "CONFIG")]
    pub config: Option<PathBuf>,
    /// The training data: a folder with `labels.csv` and the studies, or an `.npz`.
    #[arg(long, value_name = "PATH")]
    pub data: PathBuf,
    /// Folder that the trained bundle is written to.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Folder of the run's checkpoints. A run that was stopped goes on from there.
    #[arg(long, value_name = "DIR")]
    pub checkpoints: Option<PathBuf>,
    /// Folder with photographs that are no radiographs, as examples of what to turn away.
    #[arg(long, value_name = "DIR")]
    pub negatives: Option<PathBuf>,
    /// The weights that the recipe's readout stands on: a PyTorch state dict or safetensors. The recipe says which.
    #[arg(long, value_name = "FILE")]
    pub backbone: Option<PathBuf>,
}
