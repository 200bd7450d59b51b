//! What a PACS has to know of a stored structured report, and of the picture and segmentation beside it, before they are sent.

use dicom_ingest::limits::Limits;
use dicom_ingest::own::{OVERLAY_CLASS, SEGMENTATION_CLASS, SOP_CLASS};
use dicom_ingest::read::read_header;

use super::trouble::Trouble;
use super::{Parcel, TerminalCode};
use crate::convert;
use crate::identity::Person;

/// Explicit VR Little Endian, in which our reports are written.
pub(super) const TRANSFER_SYNTAX: &str = "1.2.840.10008.1.2.1";
/// Where the value of File Meta Information Group Length (0002,0000) lies, and where the elements after it begin.
const GROUP_LENGTH: std::ops::Range<usize> = 140..144;

/// The last group of the elements that say whose and of which study an object is.
const STUDY_GROUP: u16 = 0x0020;
/// Representations whose length field has 32 bits (PS3.5 7.1.2).
const LONG: [[u8; 2]; 13] =
    [*b"OB", *b"OD", *b"OF", *b"OL", *b"OV", *b"OW", *b"SQ", *b"SV", *b"UC", *b"UN", *b"UR", *b"UT", *b"UV"];

/// An object of ours, as people and receipts name it.
#[derive(Debug, Clone, Copy)]
struct Kind {
    part: &'static str,
    words: &'static str,
    sop_class: &'static str,
    unusable: TerminalCode,
}

const OVERLAY: Kind = Kind {
    part: "overlay",
    words: "the stored overlay",
    sop_class: OVERLAY_CLASS,
    unusable: TerminalCode::OverlayUnusable,
};
const SEGMENTATION: Kind = Kind {
    part: "segmentation",
    words: "the stored segmentation",
    sop_class: SEGMENTATION_CLASS,
    unusable: TerminalCode::SegmentationUnusable,
};
const REPORT: Kind = Kind {
    part: "sr",
    words: "the stored structured report",
    sop_class: SOP_CLASS,
    unusable: TerminalCode::StructuredReportUnusable,
};

/// An object ready to send.
#[derive(Debug)]
pub(super) struct Letter<'a> {
    /// Its name among the receipts.
    pub(super) part: &'static str,
    /// SOP Class UID.
    pub(super) sop_class: &'static str,
    /// The file, untouched.
    pub(super) file: &'a [u8],
    /// The data set in it, without preamble and file meta information.
    pub(super) dataset: &'a [u8],
    pub(super) study_uid: String,
    pub(super) sop_instance_uid: String,
}

impl<'a> Letter<'a> {
    /// Reads the parcel's objects: picture and segmentation before the structured report that names them. One of another study is not sent.
    pub(super) fn all(parcel: &Parcel<'a>) -> Result<Vec<Self>, Trouble> {
        let report = parcel.report;
        let stored = [(OVERLAY, &report.overlay), (SEGMENTATION, &report.segmentation), (REPORT, &report.sr)];
        let there = stored.into_iter().filter_map(|(kind, file)| Some((kind, file.as_deref()?)));
        there.map(|(kind, file)| Self::of(kind, file, parcel.study_uid)).collect()
    }

    fn of(kind: Kind, file: &'a [u8], study_uid: &str) -> Result<Self, Trouble> {
        let unusable = |reason: &str| Trouble::good(kind.unusable, format!("{} {reason}", kind.words));
        let header = read_header(file, &Limits::default())
            .map_err(|_| unusable("is no DICOM file that this version reads"))?;
        if header.sop_class_uid.as_str() != kind.sop_class
            || header.transfer_syntax_uid.as_str() != TRANSFER_SYNTAX
        {
            return Err(unusable("is of another kind than ours"));
        }
        if header.study_uid.as_str() != study_uid {
            return Err(unusable("belongs to another study"));
        }
        let dataset = dataset(file).ok_or_else(|| unusable("has no data set"))?;
        Ok(Self {
            part: kind.part,
            sop_class: kind.sop_class,
            file,
            dataset,
            study_uid: header.study_uid.to_string(),
            sop_instance_uid: header.sop_instance_uid.to_string(),
        })
    }
}

/// The person of the images, as the parcel's structured report states them; `None` where it has none. Only its beginning is read.
pub(super) fn person(parcel: &Parcel<'_>) -> Result<Option<Person>, Trouble> {
    let Some(file) = parcel.report.sr.as_deref() else { return Ok(None) };
    let header = read_header(beginning(file), &Limits::default()).map_err(|_| {
        let reason = "the stored structured report is no DICOM file that this version reads";
        Trouble::good(TerminalCode::StructuredReportUnusable, reason)
    })?;
    Ok(Some(convert::person_of_images(&header.patient)))
}

/// The file up to the first element behind those of patient and study; all of it where that is not found as we write it.
fn beginning(file: &[u8]) -> &[u8] {
    let mut rest = dataset(file).unwrap_or_default();
    while let Some((group, length)) = element(rest) {
        if group > STUDY_GROUP {
            return file.get(..file.len() - rest.len()).unwrap_or(file);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    file
}

/// The group of the first element of a data set, and its length in bytes (PS3.5 7.1.2); `None` where it has no length, or none is there.
fn element(dataset: &[u8]) -> Option<(u16, usize)> {
    let ([low, high, _, _], rest) = dataset.split_first_chunk::<4>()?;
    let (vr, rest) = rest.split_first_chunk::<2>()?;
    let length = if LONG.contains(vr) {
        let length = rest.get(2..)?.first_chunk::<4>()?;
        usize::try_from(u32::from_le_bytes(*length)).ok()?.checked_add(12)?
    } else {
        usize::from(u16::from_le_bytes(*rest.first_chunk::<2>()?)) + 8
    };
    (length <= dataset.len()).then_some((u16::from_le_bytes([*low, *high]), length))
}

/// What follows the file meta information (PS3.10 7.1).
fn dataset(file: &[u8]) -> Option<&[u8]> {
    let length: [u8; 4] = file.get(GROUP_LENGTH)?.try_into().ok()?;
    let begin = GROUP_LENGTH.end.checked_add(usize::try_from(u32::from_le_bytes(length)).ok()?)?;
    file.get(begin..).filter(|dataset| !dataset.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::sample::{parcel, report as sample_report};
    use super::*;
    use crate::ledger::ReportBytes;
    use crate::report::{overlay, sample, segmentation, sr};

    fn read(study_uid: &str, sr: Option<Vec<u8>>) -> Result<Option<usize>, TerminalCode> {
        sent(study_uid, sr, None).map(|sizes| sizes.first().map(|(_, size)| *size))
    }

    fn sent(
        study_uid: &str,
        sr: Option<Vec<u8>>,
        overlay: Option<Vec<u8>>,
    ) -> Result<Vec<(&'static str, usize)>, TerminalCode> {
        let report = ReportBytes { sr, overlay, ..sample_report() };
        let parcel = Parcel { study_uid, ..parcel(&report) };
        match Letter::all(&parcel) {
            Ok(letters) => Ok(letters.iter().map(|letter| (letter.part, letter.dataset.len())).collect()),
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
        let picture = overlay::document(&report).unwrap();
        let both = sent(uid, Some(file.clone()), Some(picture.clone())).unwrap();
        assert_eq!(both.iter().map(|(part, _)| *part).collect::<Vec<_>>(), ["overlay", "sr"], "named first");
        assert!(both[0].1 > 400_000);
        let unusable_overlay = Err(TerminalCode::OverlayUnusable);
        assert_eq!(sent("1.2", None, Some(picture)), unusable_overlay);
        assert_eq!(sent(uid, None, Some(file.clone())), unusable_overlay, "a report is no picture");
        let outlined = sample::segmented();
        let (sr, seg) = (sr::document(&outlined).unwrap(), segmentation::document(&outlined).unwrap());
        let report = ReportBytes { sr: Some(sr), segmentation: Some(seg), ..sample_report() };
        let parcel = Parcel { study_uid: uid, ..parcel(&report) };
        let parts: Vec<_> = Letter::all(&parcel).unwrap().iter().map(|letter| letter.part).collect();
        assert_eq!(parts, ["segmentation", "sr"], "named first");
        let mut lies = file;
        lies[140..144].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read(uid, Some(lies)), unusable);
    }

    #[test]
    fn whose_a_report_is_stands_at_its_beginning() {
        for report in [sample::sample(), sample::refused(), sample::outside()] {
            let file = sr::document(&report).unwrap();
            assert!(beginning(&file).len() < file.len());
            let whole = read_header(&file, &Limits::default()).unwrap();
            let stored = ReportBytes { sr: Some(file), ..sample_report() };
            let person = super::person(&parcel(&stored)).ok().unwrap();
            assert_eq!(person, Some(convert::person_of_images(&whole.patient)));
        }
        for odd in [&b""[..], b"<p>", &[0; 200]] {
            assert_eq!(beginning(odd), odd);
        }
    }
}
