//! How large the inputs are: as in hospitals where it is measured, small where the tests only run each benchmark once.

/// Whether times are measured: `cargo bench` passes `--bench`; `cargo test` and `--test` run each benchmark once.
pub fn measured() -> bool {
    let mut bench = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--bench" => bench = true,
            "--test" | "--list" => return false,
            _ => {}
        }
    }
    bench
}

/// `real` where times are measured, else `small`.
pub fn sized<T>(real: T, small: T) -> T {
    if measured() { real } else { small }
}
