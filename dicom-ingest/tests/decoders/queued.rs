//! Files that are handed over before the last one is answered: that they change no value, and that none pays for its neighbour.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dicom_ingest::decode::Decoded;
use dicom_ingest::decoders::{Pool, PoolOptions};
use dicom_ingest::file::FileBytes;
use dicom_ingest::reader::{InProcess, Reader};
use dicom_ingest::refusal::{Refusal, RefusalCode};

use super::process::MARK;
use super::{Heard, lost, options, picture, pool, started};
use crate::support::file::{Encoding, Picture, Value, text};

/// What becomes of files that are read one after the other.
fn each(reader: &dyn Reader, files: &[Vec<u8>]) -> Vec<Result<Decoded, Refusal>> {
    let mut decoded = Vec::new();
    reader.decode_each(&mut files.iter().map(|file| FileBytes::new(file.as_slice())), &mut |one| {
        decoded.push(one);
        ControlFlow::Continue(())
    });
    decoded
}

/// A file of about 800 KiB, more than a connection holds, and as many bytes of pixels.
fn large(encoding: Encoding, patient: &str) -> Vec<u8> {
    let samples = (0..640 * 640_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 20) as u16).collect();
    let more = vec![text(0x10, 0x20, "LO", patient)];
    Picture { samples, more, ..picture(640, 640, false) }.file(encoding)
}

/// Codes of what was refused, `None` of what was decoded.
fn codes(decoded: &[Result<Decoded, Refusal>]) -> Vec<Option<RefusalCode>> {
    decoded.iter().map(|one| one.as_ref().err().map(|refusal| refusal.code)).collect()
}

/// Plain and compressed, large and small, sound and damaged ones in turn: a file's place in the row changes nothing. Where both
/// connections are full, neither side waits for the other.
pub(super) fn files_in_a_row_are_read_as_each_alone() {
    let (pool, heard) = pool("honest");
    let mut files = Vec::new();
    for _ in 0..3 {
        for encoding in Encoding::ALL {
            let long_header = Picture {
                more: vec![(0x29, 0x1010, "OB", Value::Bytes(vec![7; 40_000]))],
                ..picture(200, 300, true)
            };
            files.push(large(encoding, "P1"));
            files.push(picture(9, 7, true).file(encoding));
            files.push(long_header.file(encoding));
            files.push(files[0][..70_000].to_vec());
            files.extend([large(Encoding::Rle, "P2"), large(Encoding::Explicit, "P3"), b"no DICOM".to_vec()]);
        }
    }
    let (there, here) = (each(&pool, &files), each(&InProcess::default(), &files));
    assert_eq!((there.len(), here.len()), (files.len(), files.len()));
    for (there, here) in there.into_iter().zip(here) {
        match (there, here) {
            (Ok(there), Ok(here)) => {
                assert!(there.frames == here.frames, "every value");
                assert_eq!(format!("{:?}", there.instance), format!("{:?}", here.instance), "and the digest");
            }
            (there, here) => assert_eq!(there.unwrap_err(), here.unwrap_err()),
        }
    }
    assert_eq!((started(&heard).len(), lost(&heard).len()), (1, 0), "by one process");
}

/// The process is lost over one of them, with the next one on its way or at hand.
pub(super) fn only_the_file_that_loses_its_process_is_refused() {
    let (died, hung) = (RefusalCode::DecoderDied, RefusalCode::DecoderHung);
    for (how, code, losses) in
        [("abort-at-mark", died, 3), ("lie-at-mark", died, 3), ("hang-at-mark", hung, 1)]
    {
        for encoding in [Encoding::Rle, Encoding::Explicit] {
            let heard = Heard::default();
            // Long enough for a file that is sound, on a machine that is busy.
            let timeout = Duration::from_secs(if losses == 1 { 5 } else { 60 });
            let pool = Pool::open(PoolOptions { timeout, ..options(how, &heard) }).unwrap();
            let files = ["P1", MARK, "P2", "P3", MARK, MARK, "P4"].map(|patient| large(encoding, patient));
            let (lost_over, read) = (Some(code), None);
            let expected = [read, lost_over, read, read, lost_over, lost_over, read];
            assert_eq!(codes(&each(&pool, &files)), expected, "{how} {encoding:?}");
            assert_eq!(lost(&heard).len(), 3 * losses, "{:?}", lost(&heard));
        }
    }
}

/// One that is handed over and then not wanted is nobody's answer.
pub(super) fn who_stops_early_leaves_nothing_behind() {
    let (pool, _) = pool("honest");
    for encoding in [Encoding::Rle, Encoding::Explicit] {
        let files = ["P1", "P2", "P3"].map(|patient| large(encoding, patient));
        let mut taken = 0;
        pool.decode_each(&mut files.iter().map(|file| FileBytes::new(file.as_slice())), &mut |_| {
            taken += 1;
            ControlFlow::Break(())
        });
        assert_eq!(taken, 1);
        let alone = pool.decode(&FileBytes::new(files[2].as_slice())).unwrap();
        let here = InProcess::default().decode(&FileBytes::new(files[2].as_slice())).unwrap();
        assert_eq!(format!("{:?}", alone.instance), format!("{:?}", here.instance));
        assert!(alone.frames == here.frames);
    }
}

/// A series without end, and one file of somebody else, with one process.
pub(super) fn a_long_series_lets_others_in() {
    let heard = Heard::default();
    let pool = Pool::open(PoolOptions { processes: 1, ..options("honest", &heard) }).unwrap();
    let file = large(Encoding::Rle, "P1");
    let (begun, is_in) = (AtomicBool::new(false), AtomicBool::new(false));
    let until = Instant::now() + Duration::from_mins(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let more = || !is_in.load(Ordering::SeqCst) && Instant::now() < until;
            let mut files = std::iter::repeat_with(|| FileBytes::new(file.as_slice())).take_while(|_| more());
            pool.decode_each(&mut files, &mut |decoded| {
                assert!(decoded.is_ok());
                begun.store(true, Ordering::SeqCst);
                ControlFlow::Continue(())
            });
        });
        while !begun.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        assert!(pool.decode(&FileBytes::new(file.as_slice())).is_ok());
        is_in.store(true, Ordering::SeqCst);
        assert!(Instant::now() < until, "while the series is read");
    });
    assert_eq!((started(&heard).len(), lost(&heard).len()), (1, 0), "by one process");
}
