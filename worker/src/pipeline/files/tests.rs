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
    header: fn(&[u8]) -> Header,
}

impl HeadersAlone {
    fn new(header: fn(&[u8]) -> Header) -> Self {
        Self { limits: Limits::default(), header }
    }
}

impl Reader for HeadersAlone {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn header(&self, bytes: &[u8]) -> Header {
        (self.header)(bytes)
    }

    fn decode(&self, _: &[u8]) -> Result<Decoded, Refusal> {
        panic!("nothing is decoded")
    }

    fn report(&self, _: &[u8]) -> Result<SrReport, Refusal> {
        panic!("no report is read")
    }

    fn deidentify(&self, _: &[u8], _: &Options) -> Result<Deidentified, Refusal> {
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
        match decode(candidate, &nobody) {
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
    let dies = HeadersAlone::new(|bytes| {
        if bytes.len() > 1000 {
            return InProcess::default().header(bytes);
        }
        Header::Refused(Home::default(), Refusal::new(RefusalCode::DecoderDied, "it died"))
    });
    let again = |unread: &[&Path]| {
        let unread = unread.iter().copied().collect();
        read(uid.as_str(), &paths, &unread, &dies)
    };
    let study = again(&[paths[1].as_path()]).unwrap().unwrap();
    assert_eq!((study.instances.len(), study.dropped.len()), (1, 1));
    assert_eq!(study.dropped[0].path, paths[1]);
    let lost = again(&[]).unwrap_err();
    assert_eq!(lost.why().code, "DecoderDied");
}
