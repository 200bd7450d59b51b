//! Who reads the bytes of files: this process, or one that is bounded by the system and can be lost.
//!
//! Whoever finds files, reads pixels or reads reports is given a [`Reader`] and does not see which of the two it is.

use std::fmt;
use std::ops::ControlFlow;

use dicom_dictionary_std::tags;

use crate::contain::contain;
use crate::decode::{Decoded, decode_as};
use crate::deidentify::{self, Deidentified};
use crate::file::FileBytes;
use crate::instance::{Instance, uid};
use crate::limits::Limits;
use crate::prescan::{Prescan, scan_structure, with_pixels};
use crate::refusal::Refusal;
use crate::sr::{self, SrReport};
use crate::uid::Home;

/// Media Storage Directory Storage: the index of a medium, no image.
const DICOMDIR_SOP_CLASS: &str = "1.2.840.10008.1.3.10";

/// What a file that claims to be DICOM turned out to be.
#[derive(Debug, Clone)]
pub enum Header {
    /// An instance.
    Instance(Box<Instance>),
    /// A DICOMDIR, which holds no image.
    Directory,
    /// It is not read; the study and series that it names, as far as that can be told.
    Refused(Home, Refusal),
}

/// Takes what became of one file, and says whether the next one is wanted.
pub type TakeDecoded<'a> = dyn FnMut(Result<Decoded, Refusal>) -> ControlFlow<()> + 'a;

/// Reads the bytes of files that nobody vouches for.
pub trait Reader: fmt::Debug + Send + Sync {
    /// The bounds that it reads within.
    fn limits(&self) -> &Limits;

    /// The header facts of a file.
    fn header(&self, file: &FileBytes<'_>) -> Header;

    /// The header facts and grey frames of a file.
    fn decode(&self, file: &FileBytes<'_>) -> Result<Decoded, Refusal>;

    /// The same of one file after the other, in their order. What becomes of a file does not depend on its neighbours. A reader may
    /// begin with the next one before the last is taken: two are held at a time.
    fn decode_each(&self, files: &mut dyn Iterator<Item = FileBytes<'_>>, take: &mut TakeDecoded<'_>) {
        for file in files {
            if take(self.decode(&file)).is_break() {
                return;
            }
        }
    }

    /// What a structured report states.
    fn report(&self, file: &FileBytes<'_>) -> Result<SrReport, Refusal>;

    /// The instance without what identifies its patient.
    fn deidentify(
        &self,
        file: &FileBytes<'_>,
        options: &deidentify::Options,
    ) -> Result<Deidentified, Refusal>;
}

/// Reads in this process: for files whose origin is known, such as a training set.
#[derive(Debug, Clone, Default)]
pub struct InProcess {
    limits: Limits,
}

impl InProcess {
    /// A reader within these bounds.
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }
}

impl Reader for InProcess {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn header(&self, file: &FileBytes<'_>) -> Header {
        header_found(file.bytes(), &self.limits, || file.sha256(), |_| {})
    }

    fn decode(&self, file: &FileBytes<'_>) -> Result<Decoded, Refusal> {
        decode_as(file.bytes(), &self.limits, || file.sha256())
    }

    fn report(&self, file: &FileBytes<'_>) -> Result<SrReport, Refusal> {
        sr::read(file.bytes(), &self.limits)
    }

    fn deidentify(
        &self,
        file: &FileBytes<'_>,
        options: &deidentify::Options,
    ) -> Result<Deidentified, Refusal> {
        deidentify::deidentify(file.bytes(), &self.limits, options)
    }
}

/// The header facts of a file, whose digest `digest` makes, with a look at what the scan found.
pub(crate) fn header_found(
    bytes: &[u8],
    limits: &Limits,
    digest: impl FnOnce() -> [u8; 32],
    look: impl FnOnce(&Prescan<'_>),
) -> Header {
    let mut home = Home::default();
    let read = contain(|| {
        let found = scan_structure(bytes, limits).map_err(|rejected| {
            home = rejected.home;
            rejected.refusal
        })?;
        if found.meta.media_storage_sop_class.as_deref() == Some(DICOMDIR_SOP_CLASS) {
            return Ok(None);
        }
        home = Home {
            study_uid: uid(&found.view(), tags::STUDY_INSTANCE_UID, "StudyInstanceUID").ok(),
            series_uid: uid(&found.view(), tags::SERIES_INSTANCE_UID, "SeriesInstanceUID").ok(),
        };
        let found = with_pixels(found, limits)?;
        look(&found);
        Instance::read(&found, digest()).map(Some)
    });
    match read {
        Ok(Some(instance)) => Header::Instance(Box::new(instance)),
        Ok(None) => Header::Directory,
        Err(refusal) => Header::Refused(home, refusal),
    }
}
