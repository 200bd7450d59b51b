//! What an input costs in memory, counted where it is allocated: what is taken and never used shows too. What C code takes is
//! not seen here.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Most that an input of a few hundred bytes may cost within [`crate::limits`], in bytes: a quarter of what a file may.
const MOST: usize = 128 << 20;

static HELD: AtomicUsize = AtomicUsize::new(0);
static CEILING: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Does what an input asks for, within the memory that it may cost.
pub fn bounded(work: impl FnOnce()) {
    within(MOST, work);
}

/// Does something that may take so many bytes at most; more end the run.
pub fn within(bytes: usize, work: impl FnOnce()) {
    CEILING.store(HELD.load(Relaxed) + bytes, Relaxed);
    work();
    CEILING.store(usize::MAX, Relaxed);
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn take(bytes: usize) {
    let held = HELD.fetch_add(bytes, Relaxed) + bytes;
    if held > CEILING.load(Relaxed) {
        CEILING.store(usize::MAX, Relaxed);
        eprintln!("{bytes} bytes more make {held}, which is more than the input may cost");
        std::process::abort();
    }
}

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may be there at once.
        take(size);
        let new = unsafe { System.realloc(old, layout, size) };
        HELD.fetch_sub(layout.size(), Relaxed);
        new
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(old, layout) }
    }
}
