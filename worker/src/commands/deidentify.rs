//! `chiasm deidentify`: files without what identifies their patients.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, bail};
use dicom_ingest::deidentify::{Dates, Deidentified, Key, Options};
use dicom_ingest::file::FileBytes;
use dicom_ingest::reader::Reader;
use dicom_ingest::refusal::{Refusal, RefusalCode};
use dicom_ingest::source::archive::read_file;
use dicom_ingest::source::folder::discover;
use dicom_ingest::study::{DropReason, StudyOutcome};
use serde::Serialize;

use super::{Usage, load, with_source};
use crate::cli::deidentify::{DatesArg, DeidentifyArgs};
use crate::decoders;
use crate::inspect::{InspectedFile, named};
use crate::job::hex;
use crate::terminal::plain;

/// Exit code where something is refused.
const REFUSED: u8 = 3;

/// What became of the files.
#[derive(Debug, Default, Serialize)]
struct Counts {
    written: usize,
    refused: usize,
    duplicates: usize,
    not_dicom: usize,
}

/// De-identifies what lies under the path.
pub(super) fn run(args: &DeidentifyArgs) -> anyhow::Result<u8> {
    let config = load(&args.site, None)?;
    apart(args)?;
    let options = options(args)?;
    let reader = decoders::open(&config.worker)?;
    let input = std::slice::from_ref(&args.input);
    let found = discover(input, reader.as_ref(), &mut |_| {}).map_err(|error| Usage(with_source(&error)))?;
    let mut run = Run { args, options, reader: reader.as_ref(), counts: Counts::default() };
    run.counts.not_dicom = found.not_dicom + found.directories;
    for study in &found.studies {
        run.study(study)?;
    }
    for file in &found.unreadable {
        run.refuse(&file.path, &file.refusal)?;
    }
    run.finish()
}

/// The folder that is written may not lie in what is read, nor the other way round.
fn apart(args: &DeidentifyArgs) -> anyhow::Result<()> {
    let input = fs::canonicalize(&args.input)
        .map_err(|error| Usage(format!("could not read `{}`: {error}", args.input.display())))?;
    fs::create_dir_all(&args.out).with_context(|| format!("could not make `{}`", args.out.display()))?;
    let out = fs::canonicalize(&args.out)?;
    if out.starts_with(&input) || input.starts_with(&out) {
        bail!(Usage("IN and OUT lie in each other: originals and copies would be mixed".into()));
    }
    Ok(())
}

fn options(args: &DeidentifyArgs) -> anyhow::Result<Options> {
    Ok(Options {
        dates: match args.dates {
            DatesArg::Remove => Dates::Remove,
            DatesArg::Shift => Dates::Shift,
            DatesArg::Keep => Dates::Keep,
        },
        retain_uids: args.retain_uids,
        retain_device: args.retain_device,
        retain_institution: args.retain_institution,
        retain_patient_characteristics: args.retain_patient_characteristics,
        clean_descriptors: args.clean_descriptors,
        pixels_are_clean: args.pixels_are_clean,
        ..Options::basic(key(args.key.as_deref())?)
    })
}

/// The key of the file; a new one where there is no file yet, or none is named.
fn key(path: Option<&Path>) -> anyhow::Result<Key> {
    let Some(path) = path else { return Ok(Key::new(drawn()?)) };
    match fs::read_to_string(path) {
        Ok(text) => {
            let bytes = unhex(text.trim()).ok_or_else(|| {
                Usage(format!("`{}` holds no key: 64 hexadecimal digits are one", path.display()))
            })?;
            Ok(Key::new(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let bytes = drawn()?;
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            made.and_then(|mut file| {
                writeln!(file, "{}", hex(&bytes))?;
                file.sync_all()
            })
            .with_context(|| format!("could not make `{}`", path.display()))?;
            Ok(Key::new(bytes))
        }
        Err(error) => Err(Usage(format!("could not read `{}`: {error}", path.display())).into()),
    }
}

/// A random key, from the one provider of cryptography.
fn drawn() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system gave no random numbers for a key"))?;
    Ok(bytes)
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let bytes: Option<Vec<u8>> = (text.len() == 64 && text.is_ascii()).then_some(()).and_then(|()| {
        (0..64).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
    });
    bytes?.try_into().ok()
}

/// Whether a study that is refused for this is one patient's all the same.
const fn is_of_one_patient(code: RefusalCode) -> bool {
    matches!(
        code,
        RefusalCode::ImplausibleDate | RefusalCode::LateralityConflict | RefusalCode::OrderConflict
    )
}

/// One run.
struct Run<'a> {
    args: &'a DeidentifyArgs,
    options: Options,
    reader: &'a dyn Reader,
    counts: Counts,
}

impl Run<'_> {
    fn study(&mut self, study: &StudyOutcome) -> anyhow::Result<()> {
        match study {
            StudyOutcome::Ready(study) => {
                for file in &study.instances {
                    self.file(&file.path, Some(file.instance.sha256))?;
                }
                for dropped in &study.dropped {
                    match &dropped.reason {
                        DropReason::Duplicate => self.counts.duplicates += 1,
                        DropReason::Refused(refusal) => self.refuse(&dropped.path, refusal)?,
                    }
                }
            }
            // A contradiction of dates, orders or sides leaves no doubt whose it is.
            StudyOutcome::Refused(refused) if is_of_one_patient(refused.refusal.code) => {
                for path in &refused.paths {
                    self.file(path, None)?;
                }
            }
            // Whose it is cannot be told, so neither which pseudonym is right.
            StudyOutcome::Refused(refused) => {
                for path in &refused.paths {
                    self.refuse(path, &refused.refusal)?;
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, digest: Option<[u8; 32]>) -> anyhow::Result<()> {
        let read = read_file(path, self.reader.limits()).ok().map(FileBytes::new);
        let is_same = |file: &FileBytes<'_>| digest.is_none_or(|digest| file.sha256() == digest);
        let Some(file) = read.filter(is_same) else {
            let message = "the file was changed or removed while it was read";
            return self.refuse(path, &Refusal::new(RefusalCode::UnreadableFile, message));
        };
        match self.reader.deidentify(&file, &self.options) {
            Ok(done) => self.write(&done),
            Err(refusal) => self.refuse(path, &refusal),
        }
    }

    /// Writes a file whole or not at all; what an earlier run wrote is replaced.
    fn write(&mut self, done: &Deidentified) -> anyhow::Result<()> {
        let folder = self.args.out.join(done.named.study_uid.as_str()).join(done.named.series_uid.as_str());
        let failed = || format!("could not write into `{}`", folder.display());
        fs::create_dir_all(&folder).with_context(failed)?;
        let (part, path) = (
            folder.join(format!(".{}.part", done.named.sop_instance_uid)),
            folder.join(format!("{}.dcm", done.named.sop_instance_uid)),
        );
        fs::write(&part, &done.bytes).and_then(|()| fs::rename(&part, &path)).with_context(failed)?;
        self.counts.written += 1;
        Ok(())
    }

    fn refuse(&mut self, path: &Path, refusal: &Refusal) -> anyhow::Result<()> {
        self.counts.refused += 1;
        let line: InspectedFile = named(path, refusal.code.as_str(), &refusal.message);
        let mut out = io::stdout().lock();
        if self.args.json {
            writeln!(out, "{}", serde_json::to_string(&line)?)?;
        } else {
            writeln!(out, "refused {}: {} ({})", plain(&line.file), line.refusal.reason, line.refusal.code)?;
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<u8> {
        let Counts { written, refused, duplicates, not_dicom } = &self.counts;
        let mut out = io::stdout().lock();
        if self.args.json {
            writeln!(out, "{}", serde_json::to_string(&self.counts)?)?;
        } else {
            writeln!(
                out,
                "{written} written, {refused} refused, {duplicates} duplicates and {not_dicom} files that are no DICOM \
                 instances left out"
            )?;
        }
        Ok(if *refused == 0 && *written > 0 { 0 } else { REFUSED })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.key");
        let made = key(Some(&path)).unwrap();
        assert!(key(Some(&path)).unwrap() == made && key(None).unwrap() != made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for bad in ["", "00", &"0".repeat(65), &"g".repeat(64), &"\u{e9}".repeat(32)] {
            fs::write(&path, bad).unwrap();
            assert!(key(Some(&path)).unwrap_err().is::<Usage>(), "{bad}");
        }
    }
}
