//! How long is a radiograph of 2048 x 2048 from bytes to stored values, in each transfer syntax that is read?

use std::hint::black_box;

use chiasm_benches::data;
use chiasm_benches::drawn::radiograph;
use chiasm_benches::picture::SYNTAXES;
use chiasm_benches::size::sized;
use criterion::{BenchmarkId, Criterion, Throughput};
use dicom_ingest::decode::decode;
use dicom_ingest::limits::Limits;
use dicom_ingest::transfer_syntax::TransferSyntax;

pub(crate) fn all(criterion: &mut Criterion) {
    let limits = Limits::default();
    for uid in TransferSyntax::READ {
        assert!(SYNTAXES.iter().any(|own| own.uid == uid), "{uid} is read and not measured");
    }
    let drawn = radiograph(sized(2048, 512), 1);
    let mut group = crate::group(criterion, "decode");
    for syntax in SYNTAXES {
        let file = drawn.file(syntax);
        let read = decode(&file, &limits).expect("a sound file");
        let stored = read.frames[0].stored.iter();
        let same = stored.eq(drawn.samples.iter().copied().map(i32::from));
        assert!(same || !syntax.keeps_samples(), "{} gives other samples", syntax.name);
        group.throughput(Throughput::Bytes(drawn.samples.len() as u64 * 2));
        group.bench_with_input(BenchmarkId::new("radiograph", syntax.name), &file, |bench, file| {
            bench.iter(|| decode(file, &limits).expect("a sound file"));
        });
    }
    if let Some(folder) = data::folder("cxr-nih/studies") {
        let mut files = data::files(&folder, ".dcm", sized(20, 2));
        // one that is refused at once would look fast
        files.retain(|(_, bytes)| decode(bytes, &limits).is_ok());
        assert!(!files.is_empty(), "no radiograph of `{}` is read", folder.display());
        group.throughput(Throughput::Elements(files.len() as u64));
        group.bench_with_input(BenchmarkId::new("real", "NIH radiographs"), &files, |bench, files| {
            bench.iter(|| {
                for (_, bytes) in files {
                    black_box(decode(bytes, &limits).expect("a file that was read before"));
                }
            });
        });
    }
    group.finish();
}
