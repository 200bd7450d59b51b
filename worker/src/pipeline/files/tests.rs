//! What is read, and what is left out.

use dicom_ingest::decode::Decoded;
use dicom_ingest::deidentify::{Deidentified, Options};
use dicom_ingest::limits::Limits;
use dicom_ingest::read::read_header;
use dicom_ingest::reader::{Header, InProcess};
use dicom_ingest::sr::SrReport;
use dicom_ingest::uid::Home;

use super::*;
use crate::pipeline::sample::phantom;

/// A reader that is asked for nothing but headers, which its function gives.
#[derive(Debug)]
struct HeadersAlone {
    limits: Limits,
    header: fn(&FileBytes<'_>) -> Header,
}

impl HeadersAlone {
    fn new(header: fn(&FileBytes<'_>) -> Header) -> Self {
        Self { limits: Limits::default(), header }
    }
}

impl Reader for HeadersAlone {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn header(&self, file: &FileBytes<'_>) -> Header {
        (self.header)(file)
    }

    fn decode(&self, _: &FileBytes<'_>) -> Result<Decoded, Refusal> {
        panic!("nothing is decoded")
    }

    fn report(&self, _: &FileBytes<'_>) -> Result<SrReport, Refusal> {
        panic!("no report is read")
    }

    fn deidentify(&self, _: &FileBytes<'_>, _: &Options) -> Result<Deidentified, Refusal> {
        panic!("nothing is written")
    }
}

#[test]
fn what_the_header_makes_no_radiograph_is_refused_before_it_is_decoded() {
    let sound = read_header(&phantom(), &Limits::default()).unwrap();
    let nobody = HeadersAlone::new(|_| panic!("no header is read"));
    let refused = |frames: u32, rows: u32, columns: u32| {
        let mut instance = sound.clone();
        let pixels = instance.pixels.as_mut().unwrap();
        (pixels.frames, pixels.rows, pixels.columns) = (frames, rows, columns);
        let file = StudyFile { path: PathBuf::from("nowhere"), instance };
        let candidate = Candidate { file: &file, check_frontal: false };
        match decode(candidate, &nobody, &mut Kept::default()) {
            Err(Ending::Refused(why)) => why.code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(2, 8, 8), "UnsupportedPixel");
    assert_eq!(refused(1, 8192, 8193), "PixelLimit");
    assert_eq!(refused(1, 65_535, 65_535), "PixelLimit");
    assert_eq!(refused(1, 8192, 8192), "UnreadableFile", "a size that a radiograph can have");
}

#[test]
fn a_file_that_ended_its_reader_is_left_out_again_and_one_that_did_not_is_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["image", "deadly"].map(|name| folder.path().join(name));
    std::fs::write(&paths[0], phantom()).unwrap();
    std::fs::write(&paths[1], [&[0; 128][..], b"DICM"].concat()).unwrap();
    let uid = read_header(&phantom(), &Limits::default()).unwrap().study_uid;
    let dies = HeadersAlone::new(|file| {
        if file.bytes().len() > 1000 {
            return InProcess::default().header(file);
        }
        Header::Refused(Home::default(), Refusal::new(RefusalCode::DecoderDied, "it died"))
    });
    let again = |unread: &[&Path]| {
        let unread = unread.iter().copied().collect();
        read(uid.as_str(), &paths, &unread, &dies, &mut Kept::default())
    };
    let study = again(&[paths[1].as_path()]).unwrap().unwrap();
    assert_eq!((study.instances.len(), study.dropped.len()), (1, 1));
    assert_eq!(study.dropped[0].path, paths[1]);
    let lost = again(&[]).unwrap_err();
    assert_eq!(lost.why().code, "DecoderDied");
}

/// The study of some files, as it was read with room to keep so many bytes.
fn read_within(paths: &[PathBuf], most_bytes: u64) -> (Study, Kept) {
    let uid = read_header(&phantom(), &Limits::default()).unwrap().study_uid;
    let mut kept = Kept::within(most_bytes);
    let study = read(uid.as_str(), paths, &BTreeSet::new(), &InProcess::default(), &mut kept);
    (study.unwrap().unwrap(), kept)
}

fn decode_first(study: &Study, kept: &mut Kept) -> Result<(Frame, Vec<Warning>), Ending> {
    let candidate = Candidate { file: &study.instances[0], check_frontal: false };
    decode(candidate, &InProcess::default(), kept)
}

#[test]
fn what_was_kept_is_decoded_without_its_file_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["image", "other"].map(|name| folder.path().join(name));
    for path in &paths {
        std::fs::write(path, phantom()).unwrap();
    }
    let bytes = phantom().len() as u64;
    let (study, mut kept) = read_within(&paths, 2 * bytes);
    assert_eq!(kept.bytes(), 2 * bytes);
    let (_, mut none) = read_within(&paths, bytes - 1);
    assert_eq!(none.bytes(), 0, "there is no room for it");
    let read_again = decode_first(&study, &mut none).unwrap();
    for path in &paths {
        std::fs::remove_file(path).unwrap();
    }
    assert_eq!(decode_first(&study, &mut kept).unwrap(), read_again);
    assert_eq!(
        kept.bytes(),
        0,
        "nothing is kept while the picture waits for the device, of other files neither"
    );
    assert_eq!(decode_first(&study, &mut kept).unwrap_err().why().code, "UnreadableFile");
}

#[test]
fn a_file_that_was_changed_is_decoded_as_it_was_accepted_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    std::fs::write(&path, phantom()).unwrap();
    let (study, mut kept) = read_within(std::slice::from_ref(&path), u64::MAX);
    let mut changed = phantom();
    let at = changed.len() - 2;
    changed[at] ^= 1;
    std::fs::write(&path, changed).unwrap();
    let refused = decode_first(&study, &mut Kept::default()).unwrap_err();
    assert_eq!(refused.why().code, "SourceChanged", "nothing was kept");
    let (frame, _) = decode_first(&study, &mut kept).unwrap();
    let accepted = InProcess::default().decode(&FileBytes::new(phantom())).unwrap();
    assert_eq!(study.instances[0].instance.sha256, accepted.instance.sha256);
    assert_eq!(frame, accepted.frames[0]);
}
