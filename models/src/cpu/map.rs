//! Feature maps in memory: the channels of a pixel lie together, row by row, with a border of zeros around.
//!
//! So a row of a convolution's kernel reads values that lie together, whatever its stride, padding needs no question,
//! and a layer of a dense block writes its channels beside those that are there.

/// The shape of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    /// Pixels of zeros on each side.
    pub(super) border: usize,
}

impl Shape {
    /// A map of one pixel.
    pub(super) fn point(channels: usize) -> Self {
        Self { height: 1, width: 1, channels, border: 0 }
    }

    /// Pixels within the border.
    #[inline(always)]
    pub(super) fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Values, those of the border included.
    #[inline(always)]
    pub(super) fn values(&self) -> usize {
        (self.height + 2 * self.border) * self.row()
    }

    /// Values of a row, those of the border included.
    #[inline(always)]
    pub(super) fn row(&self) -> usize {
        (self.width + 2 * self.border) * self.channels
    }

    /// Where the pixel with this number within the border begins; one past the last begins at the end.
    #[inline(always)]
    pub(super) fn place(&self, pixel: usize) -> usize {
        if pixel >= self.pixels() {
            return self.values();
        }
        self.at(pixel / self.width + self.border, pixel % self.width + self.border)
    }

    /// Where the pixel in this row and column begins, counted with the border.
    #[inline(always)]
    pub(super) fn at(&self, row: usize, column: usize) -> usize {
        row * self.row() + column * self.channels
    }
}

/// A run of a map's pixels and the memory from its first pixel to the first of the next run.
pub(super) struct Part<'a> {
    pub(super) pixels: std::ops::Range<usize>,
    pub(super) target: &'a mut [f32],
    /// Where `target` begins in the map.
    pub(super) origin: usize,
}
