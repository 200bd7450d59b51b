//! Real studies and records, where they are there.

use std::path::{Path, PathBuf};

/// A folder of `$CHIASM_DATA`, else of `../shared/data` beside the workspace; `None` where it is not there.
pub fn folder(name: &str) -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    #[expect(clippy::disallowed_methods, reason = "benchmarks look for data where the caller says")]
    let root = std::env::var("CHIASM_DATA").map_or_else(|_| workspace.join("../shared/data"), PathBuf::from);
    Some(root.join(name)).filter(|path| path.is_dir())
}

/// The first `most` files of a folder whose names end so, by name, with their bytes.
pub fn files(folder: &Path, ending: &str, most: usize) -> Vec<(String, Vec<u8>)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    paths.sort();
    let named =
        |path: &PathBuf| Some(path.file_name()?.to_str()?.to_owned()).filter(|name| name.ends_with(ending));
    let read = |path: PathBuf| Some((named(&path)?, std::fs::read(&path).ok()?));
    paths.into_iter().filter_map(read).take(most).collect()
}
