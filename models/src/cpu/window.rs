//! Where a kernel reads a map: its side, the distance of two places, and the zeros around.

use super::map::Shape;

/// A square kernel that goes over a map.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) side: usize,
    pub(super) stride: usize,
    pub(super) padding: Padding,
}

/// Zeros around a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Padding {
    /// So many on each side.
    Each(usize),
    /// TensorFlow's SAME: as many as give one place a stride; what is odd of them lies behind.
    Same,
}

impl Window {
    /// One value of each channel.
    pub(super) const POINT: Self = Self { side: 1, stride: 1, padding: Padding::Each(0) };

    /// Height or width of the output.
    pub(super) fn out(&self, extent: usize) -> usize {
        match self.padding {
            Padding::Each(padding) => (extent + 2 * padding).saturating_sub(self.side) / self.stride + 1,
            Padding::Same => extent.div_ceil(self.stride),
        }
    }

    /// Zeros before the first pixel and behind the last one.
    fn around(&self, extent: usize) -> (usize, usize) {
        match self.padding {
            Padding::Each(padding) => (padding, padding),
            Padding::Same => {
                let read = self.out(extent).saturating_sub(1) * self.stride + self.side;
                let zeros = read.saturating_sub(extent);
                (zeros / 2, zeros - zeros / 2)
            }
        }
    }

    /// The kernel's places on `source`, one for each pixel of `target`. `None` where it would read beyond the border.
    pub(super) fn slide(self, source: Shape, target: Shape) -> Option<Slide> {
        if self.side == 0 || self.stride == 0 {
            return None;
        }
        let inset = |extent: usize| {
            let (before, behind) = self.around(extent);
            (before.max(behind) <= source.border).then(|| source.border - before)
        };
        let inset = [inset(source.height)?, inset(source.width)?];
        Some(Slide { source, target, stride: self.stride, inset })
    }
}

/// A kernel's places on a map.
#[derive(Debug)]
pub(super) struct Slide {
    pub(super) source: Shape,
    pub(super) target: Shape,
    stride: usize,
    /// From the border to the first row and column that are read.
    inset: [usize; 2],
}

impl Slide {
    /// Where the kernel begins to read for this pixel of the target.
    #[inline(always)]
    pub(super) fn base(&self, pixel: usize) -> usize {
        let (row, column) = (pixel / self.target.width, pixel % self.target.width);
        self.source.at(row * self.stride + self.inset[0], column * self.stride + self.inset[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference: `static_padding` of efficientnet_lite_pytorch 0.1.0, in its network for 224 px.
    #[test]
    fn same_padding_is_tensorflows() {
        let around = |side, stride, extent| {
            let own = Window { side, stride, padding: Padding::Same };
            (own.around(extent), own.out(extent))
        };
        assert_eq!(around(3, 1, 112), ((1, 1), 112));
        assert_eq!(around(3, 2, 224), ((0, 1), 112));
        assert_eq!(around(5, 2, 56), ((1, 2), 28));
        assert_eq!(around(5, 1, 28), ((2, 2), 28));
        assert_eq!(around(3, 2, 33), ((1, 1), 17));
        assert_eq!(around(5, 2, 1), ((2, 2), 1));
        assert_eq!(around(1, 2, 5), ((0, 0), 3));
    }
}
