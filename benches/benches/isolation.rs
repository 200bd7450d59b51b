//! What does it cost that files are read in a process of their own? A CT series, in this process and in one. Its files
//! are decoded as a series ([`Reader::decode_each`]), which the process begins with the next file of before the last is taken, and
//! their headers one by one. Either way one thread asks, and makes the digest of every file.

use std::ops::ControlFlow;
use std::process::Command;
use std::time::Duration;

use chiasm_benches::drawn::{CT_SIDE, slice};
use chiasm_benches::picture::{EXPLICIT, JPEG_LOSSLESS, RLE};
use chiasm_benches::size::sized;
use criterion::{BenchmarkId, Criterion, Throughput};
use dicom_ingest::decoders::{Pool, PoolOptions};
use dicom_ingest::file::FileBytes;
use dicom_ingest::limits::Limits;
use dicom_ingest::reader::{Header, InProcess, Reader};

/// Address space of a reader: a slice needs little.
const MEMORY_BYTES: u64 = 2 << 30;

pub(crate) fn all(criterion: &mut Criterion) {
    let slices = sized(135, 2);
    let drawn: Vec<_> = (0..slices).map(|index| slice(index, slices, CT_SIDE, 1)).collect();
    let in_process = InProcess::new(Limits::default());
    let pool = pool();
    let readers: [(&str, &dyn Reader); 2] = [("in process", &in_process), ("one process", &pool)];
    let mut group = crate::group(criterion, "isolation");
    for syntax in [EXPLICIT, RLE, JPEG_LOSSLESS] {
        let files: Vec<Vec<u8>> = drawn.iter().map(|picture| picture.file(syntax)).collect();
        group.throughput(Throughput::Elements(files.len() as u64));
        for (name, reader) in readers {
            let name = format!("{name}, {}", syntax.name);
            group.bench_with_input(BenchmarkId::new("decode a CT series", &name), &files, |bench, files| {
                bench.iter(|| {
                    let mut count = 0;
                    let mut files = files.iter().map(FileBytes::new);
                    reader.decode_each(&mut files, &mut |decoded| {
                        count += decoded.expect("a sound file").frames.len();
                        ControlFlow::Continue(())
                    });
                    assert_eq!(count, slices);
                });
            });
            group.bench_with_input(
                BenchmarkId::new("headers of a CT series", &name),
                &files,
                |bench, files| {
                    bench.iter(|| {
                        let header = |file: &Vec<u8>| reader.header(&FileBytes::new(file));
                        let read = |file: &&Vec<u8>| matches!(header(file), Header::Instance(_));
                        assert_eq!(files.iter().filter(read).count(), files.len());
                    });
                },
            );
        }
    }
    group.finish();
}

/// One reader, which is this program.
fn pool() -> Pool {
    let command = || {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("decode-process").env_clear();
        Ok(command)
    };
    Pool::open(PoolOptions {
        command: Box::new(command),
        processes: 1,
        threads: 1,
        limits: Limits::default(),
        memory_bytes: MEMORY_BYTES,
        timeout: Duration::from_mins(1),
        heard: Box::new(|_| {}),
    })
    .expect("a reader")
}
