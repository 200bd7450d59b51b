//! How many bytes the files of a study are once they are read, told without reading them: of an archive those of its entries as
//! they inflate, as its directory states them. An archive whose directory is refused is as long as its file; what is not there
//! has none.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::archive::{Archive, is_archive, member_of};
use crate::limits::Limits;

/// Bytes that tell an archive from other files.
const HEAD_BYTES: usize = 4;

/// Bytes of the files at these paths and of the entries that paths such as `study.zip/17` name, whatever is named.
pub fn bytes_of<'a>(paths: impl IntoIterator<Item = &'a Path>, limits: &Limits) -> u64 {
    let mut entries = Entries { limits, of_archive: None };
    let sizes = paths.into_iter().map(|path| match fs::metadata(path) {
        Ok(metadata) => file(path, &metadata, limits),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => entries.size(path),
        Err(_) => 0,
    });
    total(sizes)
}

/// Bytes of all files below `folder`; links are not followed.
pub fn bytes_below(folder: &Path, limits: &Limits) -> io::Result<u64> {
    let mut sizes = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else {
                sizes.push(file(&entry.path(), &metadata, limits));
            }
        }
    }
    Ok(total(sizes))
}

/// Bytes of one file; devices and pipes are not opened.
fn file(path: &Path, metadata: &Metadata, limits: &Limits) -> u64 {
    let mut head = [0; HEAD_BYTES];
    if metadata.is_file()
        && File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok()
        && is_archive(&head)
        && let Ok(archive) = Archive::open(path, limits)
    {
        return total(archive.sizes());
    }
    metadata.len()
}

/// The sizes of the entries of the archive that was asked last: a job names its entries one after the other.
struct Entries<'a> {
    limits: &'a Limits,
    of_archive: Option<(PathBuf, Vec<u64>)>,
}

impl Entries<'_> {
    /// Bytes of the entry that a path names.
    fn size(&mut self, path: &Path) -> u64 {
        let Some((archive, number)) = member_of(path) else { return 0 };
        let held = self.of_archive.take().filter(|(path, _)| path == archive);
        let (_, sizes) = self.of_archive.insert(held.unwrap_or_else(|| {
            let opened = Archive::open(archive, self.limits);
            (archive.to_owned(), opened.map(|archive| archive.sizes().collect()).unwrap_or_default())
        }));
        sizes.get(number).copied().unwrap_or_default()
    }
}

/// The sum as far as can be counted: files with holes may name more bytes than there are numbers for.
fn total(sizes: impl IntoIterator<Item = u64>) -> u64 {
    sizes.into_iter().fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;

    #[test]
    fn entries_count_as_they_inflate_and_a_refused_archive_as_it_is() {
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("study.zip");
            let options = SimpleFileOptions::default().compression_method(method);
            let mut writer = ZipWriter::new(File::create(&path).unwrap());
            writer.add_directory("DICOM/", options).unwrap();
            for (name, bytes) in [("IM1", 9_000), ("IM2", 500)] {
                writer.start_file(name, options).unwrap();
                writer.write_all(&vec![7_u8; bytes]).unwrap();
            }
            writer.finish().unwrap();
            let limits = Limits::default();
            let of = |names: &[&str]| {
                let paths: Vec<PathBuf> = names.iter().map(|name| folder.path().join(name)).collect();
                bytes_of(paths.iter().map(PathBuf::as_path), &limits)
            };
            assert_eq!(of(&["study.zip/1"]), 9_000);
            assert_eq!(of(&["study.zip/1", "study.zip/2", "study.zip/1"]), 18_500);
            assert_eq!(of(&["study.zip"]), 9_500);
            assert_eq!(of(&["study.zip/0", "study.zip/3", "study.zip/x", "gone", "gone.zip/1"]), 0);
            assert_eq!(bytes_below(folder.path(), &limits).unwrap(), 9_500);
            let strict = Limits { max_archive_entries: 2, ..Limits::default() };
            assert_eq!(bytes_of([path.as_path()], &strict), fs::metadata(&path).unwrap().len());
        }
    }

    #[test]
    fn more_bytes_than_can_be_counted_are_as_many_as_can_be() {
        assert_eq!(total([i64::MAX.unsigned_abs(); 3]), u64::MAX);
        assert_eq!((total([7, 4]), total([])), (11, 0));
    }
}
