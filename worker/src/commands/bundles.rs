//! `chiasm models import | show | verify | sign | key | explain`: bundles from outside.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use models::bundle::Contents;
use models::bundle::seal::{PublicKey, SigningKey};
use models::import::recipe::{self, Recipe};
use models::score::{Explanation, overlay};
use models::{Bundle, BundleError, GreyImage, Scorer};

use super::Usage;
use crate::cli::models::{BundleArgs, ExplainArgs, ImportArgs, KeyArgs, SignArgs, VerifyArgs};
use crate::model::BundlePlace;
use crate::training::radiographs::{grey_picture, photographs};

/// The largest recipe, in bytes.
const MAX_RECIPE_BYTES: u64 = 1 << 20;

/// Makes a bundle of a file of weights.
pub(super) fn import(args: &ImportArgs) -> anyhow::Result<u8> {
    if args.out.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        bail!(Usage(format!("`{}` is not empty: choose a new folder", args.out.display())));
    }
    let recipe = match &args.config {
        Some(path) => read_recipe(path)?,
        None => Recipe::default(),
    };
    let pictures = match &args.pictures {
        Some(folder) => Some(photographs(folder).context("the pictures could not be read")?),
        None => None,
    };
    let fitted = pictures.as_deref().map(|pictures| (pictures, "pictures given when it was imported"));
    let (bundle, imported) = recipe::bundle(&args.file, &args.arch, &recipe, fitted)
        .map_err(|error| anyhow::anyhow!("{}: {}", error.code(), chain(&error)))?;
    bundle.write(&args.out)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "imported {} tensors as `{}` {} into {}",
        imported.state.len(),
        bundle.id(),
        bundle.version(),
        args.out.display()
    )?;
    if !imported.prefix.is_empty() {
        writeln!(out, "names begin with `{}` in the file", imported.prefix)?;
    }
    if !imported.converted.is_empty() {
        writeln!(out, "{} tensors became f32: {}", imported.converted.len(), imported.converted.join(", "))?;
    }
    if !imported.aside.is_empty() {
        writeln!(
            out,
            "{} tensors are no weights and were left aside: {}",
            imported.aside.len(),
            imported.aside.join(", ")
        )?;
    }
    if bundle.model_card().applies_to.modalities.is_empty() {
        writeln!(out, "it applies to no study yet: state `applies_to` in a recipe (--config)")?;
    }
    Ok(0)
}

/// Shows what a bundle says of itself.
pub(super) fn show(args: &BundleArgs) -> anyhow::Result<u8> {
    let bundle = open(args)?;
    let card = bundle.model_card();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} {}: {}", bundle.id(), bundle.version(), card.title)?;
    writeln!(out, "weights     sha256 {}", bundle.digest())?;
    writeln!(
        out,
        "signature   {}",
        bundle.signature().map_or_else(|| "none".to_owned(), |own| format!("by key {}", own.public_key))
    )?;
    let network = match bundle.contents() {
        Contents::Ensemble(manifest) => serde_json::to_string(&manifest.architecture)?,
        Contents::Classifier(manifest) => serde_json::to_string(&manifest.architecture)?,
        Contents::Segmenter(manifest) => serde_json::to_string(&manifest.architecture)?,
    };
    writeln!(out, "network     {network}")?;
    writeln!(out, "applies to  {}", serde_json::to_string(&card.applies_to)?)?;
    writeln!(out, "calibration {}", card.calibration)?;
    for label in &card.labels {
        let codes: Vec<String> =
            label.codes.iter().map(|code| format!("{}|{}", code.system, code.code)).collect();
        let auroc =
            label.performance.as_ref().map_or("not measured".to_owned(), |own| format!("{:.3}", own.auroc));
        writeln!(
            out,
            "{}\t{}\tabsent below {}, present from {}\tAUROC {auroc}",
            label.name,
            codes.join(" "),
            label.threshold_low,
            label.threshold_high
        )?;
    }
    for segment in &card.segments {
        let (category, property) = (&segment.category, &segment.property);
        writeln!(
            out,
            "{}\t{} {}, {} {}\tinside from {}",
            segment.name, category.code, category.display, property.code, property.display, segment.threshold
        )?;
    }
    Ok(0)
}

/// Verifies a bundle and runs its self-test.
pub(super) fn verify(args: &VerifyArgs) -> anyhow::Result<u8> {
    let bundle = open(&args.bundle)?;
    let device = crate::device::open(args.device)?;
    let scorer = Scorer::load(&bundle, &device)
        .map_err(|error| anyhow::anyhow!("{}: {}", error.code(), chain(&error)))?;
    let sealed = if bundle.contents().seal().is_some() { "sealed" } else { "of format 1, which has no seal" };
    let signed = bundle.signature().map_or_else(
        || "not signed".to_owned(),
        |own| {
            let pinned = if args.bundle.pinned.is_empty() { " (no key was pinned)" } else { "" };
            format!("signed by {}{pinned}", own.public_key)
        },
    );
    writeln!(
        std::io::stdout(),
        "{} {} verifies: weights {}, {sealed}, {signed}; self-test passed on {}",
        bundle.id(),
        bundle.version(),
        bundle.digest(),
        scorer.device().description()
    )?;
    Ok(0)
}

/// Signs a bundle in its folder, or the built-in one into a file of its own.
pub(super) fn sign(args: &SignArgs) -> anyhow::Result<u8> {
    let text = std::fs::read_to_string(&args.key).context("the private key could not be read")?;
    let key = SigningKey::from_seed(&text)?;
    let mut built_in = Bundle::embedded()?;
    let folder = Path::new(&args.bundle);
    let signed = if args.bundle == built_in.id() && !folder.is_dir() {
        let Some(out) = &args.out else {
            bail!(Usage(
                "the program cannot be written into: name a file for the signature with `--out`".to_owned()
            ))
        };
        built_in.sign(&key)?;
        built_in.write_signature(out)?;
        built_in
    } else {
        let mut bundle = Bundle::open(folder).map_err(|error| coded(&error))?;
        bundle.sign(&key)?;
        bundle.write(folder)?;
        bundle
    };
    writeln!(std::io::stdout(), "{} {} is signed by {}", signed.id(), signed.version(), key.public_key())?;
    Ok(0)
}

/// Makes a key.
pub(super) fn key(args: &KeyArgs) -> anyhow::Result<u8> {
    let seed = SigningKey::new_seed()?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file =
        options.open(&args.out).with_context(|| format!("could not make `{}`", args.out.display()))?;
    writeln!(file, "{seed}")?;
    writeln!(std::io::stdout(), "{}", SigningKey::from_seed(&seed)?.public_key())?;
    Ok(0)
}

/// Writes where a score comes from.
pub(super) fn explain(args: &ExplainArgs) -> anyhow::Result<u8> {
    let bundle = open(&args.bundle)?;
    let device = crate::device::open(args.device)?;
    let scorer = Scorer::load(&bundle, &device)?;
    let picture: GreyImage = grey_picture(&args.picture).with_context(|| {
        format!("`{}` is no PNG or JPEG picture that can be read", args.picture.display())
    })?;
    let explanation = match args.occlusion {
        Some(0) => bail!(Usage("a square has a side of 1 at least".to_owned())),
        Some(side) => Explanation::Occlusion { side, step: (side / 2).max(1) },
        None => Explanation::Coarse,
    };
    let begin = Instant::now();
    let map = scorer
        .explain(&picture, &args.label, explanation)
        .map_err(|error| anyhow::anyhow!("{}: {error}", error.code()))?;
    let cost_ms = begin.elapsed().as_secs_f64() * 1e3;
    let png = overlay::png(&picture, &map).context("the overlay could not be drawn")?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("could not make `{}`", args.out.display()))?;
    for (name, bytes) in [("overlay.png", png), ("map.npy", overlay::npy(&map))] {
        std::fs::write(args.out.join(name), bytes)
            .with_context(|| format!("could not write `{name}` into `{}`", args.out.display()))?;
    }
    writeln!(std::io::stdout(), "overlay.png and map.npy are in {} ({cost_ms:.0} ms)", args.out.display())?;
    Ok(0)
}

/// The card of the bundle in a folder.
pub(super) fn card(folder: &Path) -> anyhow::Result<u8> {
    let bundle = Bundle::open(folder).map_err(|error| coded(&error))?;
    writeln!(std::io::stdout(), "{}", bundle.card())?;
    Ok(0)
}

/// The built-in bundle by its name, or the one in a folder; with pinned keys both have to be signed by one of them.
fn open(args: &BundleArgs) -> anyhow::Result<Bundle> {
    let pinned = keys(&args.pinned)?;
    let folder = Path::new(&args.bundle);
    let is_built_in = args.bundle == Bundle::embedded()?.id() && !folder.is_dir();
    let place = if is_built_in {
        BundlePlace::BuiltIn { signature: args.signature.clone() }
    } else {
        BundlePlace::Folder(folder.to_owned())
    };
    place.open(&pinned).map_err(|error| coded(&error))
}

/// Public keys as they were given.
pub(super) fn keys(given: &[String]) -> anyhow::Result<Vec<PublicKey>> {
    given.iter().map(|key| Ok(key.parse::<PublicKey>().map_err(|reason| Usage(reason.to_owned()))?)).collect()
}

/// The code of what is wrong with a bundle, before the reason.
fn coded(error: &BundleError) -> anyhow::Error {
    anyhow::anyhow!("{}: {}", error.code(), chain(error))
}

fn read_recipe(path: &Path) -> anyhow::Result<Recipe> {
    let unread = || format!("the recipe `{}` could not be read", path.display());
    if std::fs::metadata(path).with_context(unread)?.len() > MAX_RECIPE_BYTES {
        bail!("the recipe `{}` is larger than {MAX_RECIPE_BYTES} bytes", path.display());
    }
    let text = std::fs::read_to_string(path).with_context(unread)?;
    if path.extension().is_some_and(|ending| ending == "json") {
        return serde_json::from_str(&text).with_context(unread);
    }
    toml::from_str(&text).with_context(unread)
}

/// An error and its causes, each once.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let own = error.to_string();
        if !text.ends_with(&own) {
            text = format!("{text}: {own}");
        }
        cause = error.source();
    }
    text
}
