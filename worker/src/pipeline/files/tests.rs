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

/// A reader that must not be asked.
#[derive(Debug)]
struct Nobody(Limits);

impl Reader for Nobody {
    fn limits(&self) -> &Limits {
        &self.0
    }

    fn header(&self, _: &[u8]) -> Header {
        panic!("no header is read")
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
    let refused = |frames: u32, rows: u32, columns: u32| {
        let mut instance = sound.clone();
        let pixels = instance.pixels.as_mut().unwrap();
        (pixels.frames, pixels.rows, pixels.columns) = (frames, rows, columns);
        let file = StudyFile { path: PathBuf::from("nowhere"), instance };
        let candidate = Candidate { file: &file, check_frontal: false };
        match decode(candidate, &Nobody(Limits::default())) {
            Err(Ending::Refused(why)) => why.code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(2, 8, 8), "UnsupportedPixel");
    assert_eq!(refused(1, 8192, 8193), "PixelLimit");
    assert_eq!(refused(1, 65_535, 65_535), "PixelLimit");
    assert_eq!(refused(1, 8192, 8192), "UnreadableFile", "a size that a radiograph can have");
}

/// A reader that ends over a file that is no phantom.
#[derive(Debug)]
struct Dies(InProcess);

impl Reader for Dies {
    fn limits(&self) -> &Limits {
        self.0.limits()
    }

    fn header(&self, bytes: &[u8]) -> Header {
        if bytes.len() > 1000 {
            return self.0.header(bytes);
        }
        Header::Refused(Home::default(), Refusal::new(RefusalCode::DecoderDied, "it died"))
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
fn a_file_that_ended_its_reader_is_left_out_again_and_one_that_did_not_is_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["image", "deadly"].map(|name| folder.path().join(name));
    std::fs::write(&paths[0], phantom()).unwrap();
    std::fs::write(&paths[1], [&[0; 128][..], b"DICM"].concat()).unwrap();
    let uid = read_header(&phantom(), &Limits::default()).unwrap().study_uid;
    let again = |unread: &[&Path]| {
        let unread = unread.iter().copied().collect();
        read(uid.as_str(), &paths, &unread, &Dies(InProcess::default()))
    };
    let study = again(&[paths[1].as_path()]).unwrap().unwrap();
    assert_eq!((study.instances.len(), study.dropped.len()), (1, 1));
    assert_eq!(study.dropped[0].path, paths[1]);
    let lost = again(&[]).unwrap_err();
    assert_eq!(lost.why().code, "DecoderDied");
}

#[test]
fn a_picture_is_blank_by_its_deviation_and_not_by_its_brightest_pixel() {
    const PIXELS: u16 = 40_000;
    let with_one = |far: f32| {
        let mut grey = vec![0.25; PIXELS.into()];
        grey[30_000] += far;
        is_blank(&grey)
    };
    // one pixel that is d away makes a deviation of d / 200
    assert_eq!([0.0, 0.019, 0.021, 0.5].map(with_one), [true, true, false, false]);
    let ramp = |high: f32| -> Vec<f32> {
        (0..PIXELS).map(|pixel| high * f32::from(pixel) / f32::from(PIXELS)).collect()
    };
    // that of a ramp is its height by the root of 12
    assert!(is_blank(&ramp(3e-4)) && !is_blank(&ramp(4e-4)) && !is_blank(&ramp(1.0)) && is_blank(&[]));
}
