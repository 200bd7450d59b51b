//! `chiasm top`: what workers do now, from their metrics.

mod screen;

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::{Usage, runtime};
use crate::cli::top::TopArgs;
use crate::origin;
use crate::telemetry::metrics::Samples;

/// Time for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// The longest answer, in bytes.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// A worker as it was last seen.
struct Seen {
    url: String,
    now: Option<(Instant, Samples)>,
    before: Option<(Instant, Samples)>,
}

/// Shows the workers again and again, or once.
pub(super) fn run(args: &TopArgs) -> anyhow::Result<u8> {
    for url in &args.urls {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(Usage(format!("`--url {url}`: begin with `http://`")).into());
        }
    }
    runtime()?.block_on(watch(args))
}

async fn watch(args: &TopArgs) -> anyhow::Result<u8> {
    let client = client(&args.urls)?;
    let seen = |url: &String| Seen { url: url.trim_end_matches('/').to_owned(), now: None, before: None };
    let mut workers: Vec<Seen> = args.urls.iter().map(seen).collect();
    loop {
        for worker in &mut workers {
            let now = look(&client, &worker.url).await.map(|samples| (Instant::now(), samples));
            worker.before = std::mem::replace(&mut worker.now, now);
        }
        let mut out = std::io::stdout().lock();
        if out.is_terminal() && !args.once {
            write!(out, "\x1b[2J\x1b[H")?; // clear the screen, cursor to its corner
        }
        writeln!(out, "{}", screen::page(&workers))?;
        out.flush()?;
        drop(out);
        if args.once {
            return Ok(u8::from(workers.iter().any(|worker| worker.now.is_none())));
        }
        tokio::time::sleep(Duration::from_secs(args.every)).await;
    }
}

pub(super) fn client(urls: &[String]) -> anyhow::Result<reqwest::Client> {
    let is_plain = urls.iter().all(|url| url.starts_with("http://"));
    let builder = origin::builder(is_plain, None).timeout(ANSWER_WITHIN);
    builder.build().context("could not make an HTTP client")
}

/// The metrics of a worker; `None` when it does not answer as one.
pub(super) async fn look(client: &reqwest::Client, url: &str) -> Option<Samples> {
    let answer = client.get(format!("{url}/metrics")).send().await.ok()?.error_for_status().ok()?;
    let bytes = origin::read(answer, MOST_BYTES).await.ok()??;
    let samples = Samples::parse(&String::from_utf8(bytes).ok()?);
    samples.value("chiasm_ready").is_some().then_some(samples)
}
