//! WADO-RS (PS3.18, 10.4): a study as one multipart body, streamed to disk.

use std::path::Path;

use reqwest::header::CONTENT_TYPE;

use super::client::{Client, cut};
use super::multipart::{Event, MultipartError, Splitter};
use crate::source::landing::{Incoming, Landing};
use crate::source::{FetchLimits, SourceError, pause};
use crate::uid::Uid;

/// As the server holds them: `*` forbids to transcode, which changes pixels, and which Orthanc refuses for JPEG 2000.
const AS_STORED: &str = r#"multipart/related; type="application/dicom"; transfer-syntax=*"#;

/// Fetches all instances of a study. A try that meets a passing fault is begun anew.
pub(super) async fn study(
    client: &Client,
    study: &Uid,
    instances: usize,
    into: &Path,
    limits: FetchLimits,
) -> Result<(), SourceError> {
    let mut tries = 1;
    loop {
        match once(client, study, instances, into, limits).await {
            Err(error) if pause::before_next(tries, &error).await => {
                clear(into).await.map_err(SourceError::Spool)?;
                tries += 1;
            }
            fetched => return fetched,
        }
    }
}

async fn once(
    client: &Client,
    study: &Uid,
    instances: usize,
    into: &Path,
    limits: FetchLimits,
) -> Result<(), SourceError> {
    let url = client.url(&["studies", study.as_str()], &[]);
    let mut response = client.get(url, AS_STORED, None).await.map_err(|error| match error {
        // It was there a moment ago.
        SourceError::NoSuchPlace { .. } => SourceError::Changed,
        error => error,
    })?;
    let content_type =
        response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut splitter = Splitter::new(content_type).map_err(unusable)?;
    let landing = Landing::new(into, limits);
    let mut open: Option<Incoming<'_>> = None;
    while let Some(chunk) = response.chunk().await.map_err(|error| cut(&error))? {
        for event in splitter.push(&chunk).map_err(unusable)? {
            match (event, open.take()) {
                (Event::Begin, _) => open = Some(landing.begin().await?),
                (Event::Piece(piece), Some(mut file)) => {
                    file.write(&piece).await?;
                    open = Some(file);
                }
                (Event::End, Some(file)) => drop(file.end().await?),
                (Event::Piece(_) | Event::End, None) => {}
            }
        }
    }
    splitter.finish().map_err(unusable)?;
    // More than were listed have just arrived; fewer were left out.
    if landing.files() < instances { Err(SourceError::Truncated) } else { Ok(()) }
}

fn unusable(error: MultipartError) -> SourceError {
    match error {
        MultipartError::Truncated => SourceError::Truncated,
        MultipartError::WrongLength => SourceError::Damaged,
        MultipartError::NoBoundary => SourceError::NotUnderstood("a study did not come as a multipart body"),
        MultipartError::HeadTooLong | MultipartError::BrokenDelimiter => {
            SourceError::NotUnderstood("a study came as a malformed multipart body")
        }
    }
}

async fn clear(folder: &Path) -> std::io::Result<()> {
    tokio::fs::remove_dir_all(folder).await?;
    tokio::fs::create_dir(folder).await
}
