//! `chiasm models list`: the models that a site reads with, or the bundles of a folder: whether each verifies, what it takes
//! of a device, and which are on a worker's device now.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use models::{Bundle, BundleError, Footprint};

use super::bundles::{chain, keys};
use super::{runtime, top};
use crate::cli::models::ListArgs;
use crate::config::Config;
use crate::model::{BundlePlace, SiteModel};
use crate::telemetry::metrics::Samples;

const MIB: u64 = 1024 * 1024;

/// What is listed: its pipeline, where it has one, and where its bundle is.
struct Listed {
    pipeline: Option<String>,
    place: BundlePlace,
}

/// Lists; exit code 1 where a bundle does not verify.
pub(super) fn run(args: &ListArgs) -> anyhow::Result<u8> {
    let config = Config::load(args.config.as_deref(), None)?;
    let pinned = if args.pinned.is_empty() { config.models.pinned.clone() } else { keys(&args.pinned)? };
    let listed = match &args.folder {
        Some(folder) => bundles_of(folder, &config)?,
        None => configured(&config),
    };
    let worker = match (&args.folder, asked(args, &config)) {
        (None, Some(url)) => Some(runtime()?.block_on(look(&url))),
        _ => None,
    };
    let mut out = std::io::stdout().lock();
    let mut code = 0;
    for one in &listed {
        let place = match &one.place {
            BundlePlace::BuiltIn { .. } => "built in".to_owned(),
            BundlePlace::Folder(folder) => folder.display().to_string(),
        };
        let pipeline = one.pipeline.as_deref().unwrap_or("-");
        let opened = one.place.open(&pinned);
        match opened.and_then(|bundle| Ok((SiteModel::of(&bundle, one.place.clone())?, bundle))) {
            Ok((model, bundle)) => {
                let state = worker.as_ref().map(|samples| state(samples.as_ref(), model.short()));
                writeln!(
                    out,
                    "{}\t{}\t{}\t{pipeline}\t{}\t{}\t{place}",
                    bundle.id(),
                    bundle.version(),
                    bundle.model_card().title,
                    cost(&bundle, &config),
                    state.as_deref().unwrap_or("no worker asked"),
                )?;
            }
            Err(error) => {
                code = 1;
                writeln!(out, "-\t-\t{}\t{pipeline}\t-\t-\t{place}", refused(&error))?;
            }
        }
    }
    Ok(code)
}

fn refused(error: &BundleError) -> String {
    format!("{}: {}", error.code(), chain(error))
}

fn configured(config: &Config) -> Vec<Listed> {
    let built_in = BundlePlace::BuiltIn { signature: config.models.built_in_signature.clone() };
    let first = Listed { pipeline: Some("chest-radiograph".to_owned()), place: built_in };
    let others = config.pipelines.iter().map(|(name, own)| Listed {
        pipeline: Some(name.to_string()),
        place: BundlePlace::Folder(own.bundle.clone()),
    });
    std::iter::once(first).chain(others).collect()
}

/// The built-in bundle and those in a folder, in the order of their paths.
fn bundles_of(folder: &Path, config: &Config) -> anyhow::Result<Vec<Listed>> {
    let mut paths: Vec<PathBuf> = folder
        .read_dir()
        .with_context(|| format!("could not read `{}`", folder.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join(models::bundle::MANIFEST_FILE).is_file())
        .collect();
    paths.sort();
    let signature = config.models.built_in_signature.clone();
    let built_in = Listed { pipeline: None, place: BundlePlace::BuiltIn { signature } };
    let others = paths.into_iter().map(|path| Listed { pipeline: None, place: BundlePlace::Folder(path) });
    Ok(std::iter::once(built_in).chain(others).collect())
}

/// What the model takes of a device: of a CPU, which scores one by one, and of a GPU with its largest batches.
fn cost(bundle: &Bundle, config: &Config) -> String {
    let mib = |footprint: Footprint| footprint.total().div_ceil(MIB);
    let (cpu, gpu) = (Footprint::of(bundle, 1), Footprint::on_gpu(bundle, config.worker.max_batch));
    format!("{} MiB, on a GPU {} MiB", mib(cpu), mib(gpu))
}

/// Which worker is asked.
fn asked(args: &ListArgs, config: &Config) -> Option<String> {
    args.url.clone().or_else(|| config.http.listen.map(|address| format!("http://{address}")))
}

async fn look(url: &str) -> Option<Samples> {
    let url = url.trim_end_matches('/').to_owned();
    let client = top::client(std::slice::from_ref(&url)).ok()?;
    top::look(&client, &url).await
}

/// What a worker says of the model whose identity begins so.
fn state(samples: Option<&Samples>, digest: &str) -> String {
    let Some(samples) = samples else { return "the worker does not answer".to_owned() };
    let value = |name: &str| samples.labelled(name, "digest", digest);
    let loads = value("chiasm_model_loads_total").unwrap_or(0.0);
    match (value("chiasm_model_resident"), value("chiasm_model_load_time_seconds")) {
        (None, _) => "not a model of that worker".to_owned(),
        (Some(_), None) => "not loaded yet".to_owned(),
        (Some(resident), Some(took)) => {
            let word = if resident > 0.0 { "resident" } else { "not resident" };
            let warm = value("chiasm_model_warm_up_time_seconds").filter(|took| *took > 0.0);
            let warm = warm.map_or_else(String::new, |took| format!(" and {took:.2} s of warm-up"));
            format!("{word}, loaded {loads} times, the last in {took:.2} s{warm}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_says_of_a_model_is_told() {
        let text = "chiasm_model_resident{model=\"m\",digest=\"a\"} 1\nchiasm_model_loads_total{model=\"m\",digest=\"a\"} 3\n\
                    chiasm_model_load_time_seconds{model=\"m\",digest=\"a\"} 0.5\nchiasm_model_resident{model=\"m\",digest=\"b\"} 0\n";
        let samples = Samples::parse(text);
        let said = ["a", "b", "c"].map(|digest| state(Some(&samples), digest));
        assert_eq!(
            said,
            ["resident, loaded 3 times, the last in 0.50 s", "not loaded yet", "not a model of that worker"]
        );
        assert_eq!(state(None, "a"), "the worker does not answer");
    }
}
