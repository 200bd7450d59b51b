//! What a PACS has to know of a stored structured report before it is sent.

use dicom_ingest::limits::Limits;
use dicom_ingest::own::SOP_CLASS;
use dicom_ingest::read::read_header;

use super::trouble::Trouble;
use super::{Parcel, TerminalCode};
use crate::convert;
use crate::identity::Person;

/// Explicit VR Little Endian, in which our reports are written.
pub(super) const TRANSFER_SYNTAX: &str = "1.2.840.10008.1.2.1";
/// Where the value of File Meta Information Group Length (0002,0000) lies, and where the elements after it begin.
const GROUP_LENGTH: std::ops::Range<usize> = 140..144;

/// A structured report ready to send.
#[derive(Debug)]
pub(super) struct Letter<'a> {
    /// The file, untouched.
    pub(super) file: &'a [u8],
    /// The data set in it, without preamble and file meta information.
    pub(super) dataset: &'a [u8],
    pub(super) study_uid: String,
    pub(super) sop_instance_uid: String,
}

impl<'a> Letter<'a> {
    /// Reads the parcel's structured report; `None` where it has none. One of another study is not sent.
    pub(super) fn of(parcel: &Parcel<'a>) -> Result<Option<Self>, Trouble> {
        let Some(file) = parcel.report.sr.as_deref() else { return Ok(None) };
        let unusable = |reason: &str| Trouble::good(TerminalCode::StructuredReportUnusable, reason);
        let header = read_header(file, &Limits::default())
            .map_err(|_| unusable("the stored structured report is no DICOM file that this version reads"))?;
        if header.sop_class_uid.as_str() != SOP_CLASS
            || header.transfer_syntax_uid.as_str() != TRANSFER_SYNTAX
        {
            return Err(unusable("the stored structured report is of another kind than ours"));
        }
        if header.study_uid.as_str() != parcel.study_uid {
            return Err(unusable("the stored structured report belongs to another study"));
        }
        let dataset =
            dataset(file).ok_or_else(|| unusable("the stored structured report has no data set"))?;
        Ok(Some(Self {
            file,
            dataset,
            study_uid: header.study_uid.to_string(),
            sop_instance_uid: header.sop_instance_uid.to_string(),
        }))
    }
}

/// The person of the images, as the parcel's structured report states them; `None` where it has none.
pub(super) fn person(parcel: &Parcel<'_>) -> Result<Option<Person>, Trouble> {
    let Some(file) = parcel.report.sr.as_deref() else { return Ok(None) };
    let header = read_header(file, &Limits::default()).map_err(|_| {
        let reason = "the stored structured report is no DICOM file that this version reads";
        Trouble::good(TerminalCode::StructuredReportUnusable, reason)
    })?;
    Ok(Some(convert::person_of_images(&header.patient)))
}

/// What follows the file meta information (PS3.10 7.1).
fn dataset(file: &[u8]) -> Option<&[u8]> {
    let length: [u8; 4] = file.get(GROUP_LENGTH)?.try_into().ok()?;
    let begin = GROUP_LENGTH.end.checked_add(usize::try_from(u32::from_le_bytes(length)).ok()?)?;
    file.get(begin..).filter(|dataset| !dataset.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{JobState, ReportBytes};
    use crate::report::{sample, sr};

    fn read(study_uid: &str, sr: Option<Vec<u8>>) -> Result<Option<usize>, TerminalCode> {
        let report =
            ReportBytes { ends: JobState::Reported, outcome: "{}".into(), bundle: None, html: vec![], sr };
        let parcel = Parcel { study_uid, job_key: "j", report_key: "r", report: &report, sent_before: false };
        match Letter::of(&parcel) {
            Ok(letter) => Ok(letter.map(|letter| letter.dataset.len())),
            Err(Trouble::Good { code, .. }) => Err(code),
            Err(Trouble::Now { code, .. }) => panic!("{code}"),
        }
    }

    #[test]
    fn a_structured_report_of_this_study_is_read_and_no_other() {
        let report = sample::sample();
        let uid = report.study.study_instance_uid.as_str();
        let file = sr::document(&report).unwrap();
        let whole = file.len();
        let dataset = read(uid, Some(file.clone())).unwrap().unwrap();
        assert!(dataset > 1_000 && dataset < whole - 144);
        assert_eq!(read(uid, None), Ok(None));
        let unusable = Err(TerminalCode::StructuredReportUnusable);
        assert_eq!(read("1.2", Some(file.clone())), unusable);
        assert_eq!(read(uid, Some(file[..200].to_vec())), unusable);
        assert_eq!(read(uid, Some(b"<p>".to_vec())), unusable);
        let mut lies = file;
        lies[140..144].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read(uid, Some(lies)), unusable);
    }
}
