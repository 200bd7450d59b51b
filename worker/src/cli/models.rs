//! What can be asked of model bundles.

use std::path::PathBuf;

use clap::Args;

use super::DeviceArg;

/// `chiasm models import`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    chiasm models import --arch xrv-densenet121 --config xrv.toml densenet.pt --out bundles/xrv\n\n\
    Every tensor that is missing, unknown or of another shape is named, and then nothing is written.")]
pub struct ImportArgs {
    /// File with the weights: `.pt`, `.pth` or `.safetensors`; checkpoint dictionaries and prefixes such as `module.` too.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The network: `resnet18`, `resnet18-28`, `resnet50`, `convnext-tiny`, `efficientnet-lite0`, `densenet121`,
    /// `xrv-densenet121` or `basic-unet`.
    #[arg(long, value_name = "NAME")]
    pub arch: String,
    /// What the file does not say: labels with codes, preprocessing, what it applies to (TOML, or JSON by its ending).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder with PNG or JPEG pictures like those it was trained on, 20 at least, so that others can be told from them.
    #[arg(long, value_name = "DIR")]
    pub pictures: Option<PathBuf>,
    /// Folder that the bundle is written to; it has to be new or empty.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `chiasm models list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Folder whose folders are bundles; without it the models that the configuration reads with.
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// A worker's address (`http.listen`), to be asked which models are on its device; that of the configuration where
    /// there is one.
    #[arg(long, value_name = "URL", conflicts_with = "folder")]
    pub url: Option<String>,
    /// Accept only bundles signed by this public key; may be given more than once. Without it, those that are pinned in the
    /// configuration.
    #[arg(long = "pin", value_name = "KEY")]
    pub pinned: Vec<String>,
    /// Configuration file; `chiasm.toml` in the repository shows every key.
    #[arg(long, value_name = "FILE", env = "CHIASM_CONFIG")]
    pub config: Option<PathBuf>,
}

/// A bundle and whom to trust.
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// `cxr-findings` or a bundle's folder.
    #[arg(value_name = "BUNDLE")]
    pub bundle: String,
    /// Accept only a bundle signed by this public key (64 hexadecimal digits); may be given more than once.
    #[arg(long = "pin", value_name = "KEY")]
    pub pinned: Vec<String>,
    /// The signature over `cxr-findings`, which the program carries unsigned: what `chiasm models sign` wrote.
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
}

/// `chiasm models verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The bundle.
    #[command(flatten)]
    pub bundle: BundleArgs,
    /// Where the self-test runs.
    #[arg(long, value_enum, default_value = "cpu")]
    pub device: DeviceArg,
}

/// `chiasm models sign`.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// The bundle's folder, or `cxr-findings`.
    #[arg(value_name = "BUNDLE")]
    pub bundle: String,
    /// File with the private key, as `chiasm models key` makes it.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// File for the signature over `cxr-findings`; that of a folder is written into it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `chiasm models key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// File for the private key; it must not be there yet, and only its owner may read it.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// `chiasm models explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The bundle.
    #[command(flatten)]
    pub bundle: BundleArgs,
    /// A grey picture as PNG or JPEG.
    #[arg(long, value_name = "FILE")]
    pub picture: PathBuf,
    /// The finding's stable name.
    #[arg(long, value_name = "NAME")]
    pub label: String,
    /// Hide squares of this side, in pixels of the network's input, and see how the score falls: finer than the gradient
    /// map, and one forward pass a square.
    #[arg(long, value_name = "PIXELS")]
    pub occlusion: Option<usize>,
    /// Folder for `overlay.png` and `map.npy`.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Where the network runs.
    #[arg(long, value_enum, default_value = "cpu")]
    pub device: DeviceArg,
}
