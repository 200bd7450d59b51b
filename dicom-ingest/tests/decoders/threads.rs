//! Threads inside the processes: that the bounds let them start, that they change no value, and that processes share them.

use dicom_ingest::decoders::{Pool, PoolOptions};
use dicom_ingest::file::FileBytes;
use dicom_ingest::reader::{InProcess, Reader as _};

use super::{Heard, decoded_alike, lost, options, phantom, picture, pool, started};
use crate::support::file::{Picture, encapsulated};

/// 256 x 256 samples of 12 bits, by OpenJPEG (`benches/src/picture/make_tiles.py`), each with its transfer syntax: without and
/// with loss.
const JPEG_2000: [(&str, &[u8]); 2] = [
    ("1.2.840.10008.1.2.4.90", include_bytes!("../../../benches/src/picture/tile-90.j2k")),
    ("1.2.840.10008.1.2.4.91", include_bytes!("../../../benches/src/picture/tile-91.j2k")),
];

fn lossy_jpeg() -> Vec<u8> {
    let grey: Vec<u8> =
        (0..512 * 512_u32).map(|index| (index % 512 / 2) as u8 ^ (index / 8192) as u8).collect();
    let mut coded = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut coded, 90);
    image::ImageEncoder::write_image(encoder, &grey, 512, 512, image::ExtendedColorType::L8).unwrap();
    let picture = Picture { allocated: 8, stored: 8, high: 7, ..picture(512, 512, false) };
    encapsulated(&picture, "1.2.840.10008.1.2.4.50", &[coded])
}

fn jpeg_2000(transfer_syntax: &str, coded: &[u8], frames: usize) -> Vec<u8> {
    let picture = Picture { frames, samples: Vec::new(), ..picture(256, 256, false) };
    encapsulated(&picture, transfer_syntax, &vec![coded.to_vec(); frames])
}

/// The decoder starts threads for pictures of some size: the filter has to let it.
pub(super) fn a_lossy_jpeg_is_read_with_its_threads() {
    let (pool, heard) = pool("honest");
    let file = FileBytes::new(lossy_jpeg());
    let there = pool.decode(&file).unwrap();
    assert_eq!(there.frames, InProcess::default().decode(&file).unwrap().frames);
    assert_eq!(lost(&heard).len(), 0);
}

/// Whole pictures, and pictures that are cut off or damaged, which are refused or not as they were.
pub(super) fn threads_change_nothing_of_jpeg_2000() {
    let (one, _) = pool("honest");
    let heard = Heard::default();
    let several = Pool::open(PoolOptions { threads: 4, ..options("honest", &heard) }).unwrap();
    for (transfer_syntax, tile) in JPEG_2000 {
        let alike = |coded: &[u8]| decoded_alike(&several, &one, &jpeg_2000(transfer_syntax, coded, 1));
        assert!(alike(tile), "a whole picture is decoded");
        let places = || (0..tile.len()).step_by(tile.len() / 20 + 1).skip(1);
        assert_eq!(
            places().filter(|end| alike(&tile[..*end])).count(),
            0,
            "a picture that is cut off is refused"
        );
        let damaged = |at: usize| {
            let mut coded = tile.to_vec();
            coded[at] ^= 0x55;
            alike(&coded)
        };
        assert!(places().filter(|at| damaged(*at)).count() > 0, "values that are damaged are compared too");
    }
    assert_eq!(lost(&heard).len(), 0);
}

/// The filter has to let OpenJPEG start them, and it has to start none where one is all.
pub(super) fn jpeg_2000_is_decoded_by_threads_where_there_are_some() {
    let (transfer_syntax, tile) = JPEG_2000[0];
    let file = FileBytes::new(jpeg_2000(transfer_syntax, tile, 8));
    let most = |threads: usize| {
        let heard = Heard::default();
        let pool = Pool::open(PoolOptions { threads, ..options("honest", &heard) }).unwrap();
        let tasks = format!("/proc/{}/task", started(&heard)[0]);
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| (0..5).for_each(|_| assert!(pool.decode(&file).is_ok())));
            let mut most = 0;
            while !reading.is_finished() {
                most = most.max(std::fs::read_dir(&tasks).unwrap().count());
            }
            most
        })
    };
    assert_eq!(most(1), 1);
    // OpenJPEG starts no more than two a processor, so that there may be fewer than four beside the process's own.
    assert!(most(4) >= 3);
}

pub(super) fn processes_share_the_threads() {
    let heard = Heard::default();
    let pool = Pool::open(PoolOptions { threads: 6, ..options("honest", &heard) }).unwrap();
    let file = FileBytes::new(phantom());
    let both = || started(&heard).len() == 2;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !both() {
                    assert!(pool.decode(&file).is_ok());
                }
            });
        }
    });
    let said = |process: &u32| {
        let environment = std::fs::read_to_string(format!("/proc/{process}/environ")).unwrap();
        let said = environment.split('\0').find_map(|word| word.strip_prefix("OPJ_NUM_THREADS="));
        said.map(str::to_owned)
    };
    let said: Vec<_> = started(&heard).iter().map(said).collect();
    assert_eq!(said, [Some("6".to_owned()), Some("3".to_owned())]);
}
