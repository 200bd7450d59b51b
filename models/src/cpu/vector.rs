//! Vectors of the widest kind that the processor has, found out at run time by `macerator`, which is Burn's own library
//! for them: AVX-512, AVX2 with FMA, SSE4.2, NEON, or one value at a time.

use bytemuck::{bytes_of, cast_slice, cast_slice_mut, pod_read_unaligned};
use macerator::{AutoArch, Scalar, Simd, VOrd, Vector, WithSimd};

/// Runs `work` compiled for this processor. Everything in it has to be inlined, or it is compiled for the oldest one.
pub(super) fn dispatch<W: WithSimd>(work: W) -> W::Output {
    AutoArch::new().dispatch(work)
}

/// Values of one vector on this processor.
pub(super) fn lanes() -> usize {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self) -> usize {
            S::lanes32()
        }
    }
    dispatch(Lanes)
}

/// The first values as a vector.
#[inline(always)]
pub(super) fn load<S: Simd>(values: &[f32]) -> Vector<S, f32> {
    pod_read_unaligned(cast_slice(&values[..S::lanes32()]))
}

/// A vector over the first values.
#[inline(always)]
pub(super) fn store<S: Simd>(values: &mut [f32], vector: Vector<S, f32>) {
    cast_slice_mut::<f32, u8>(&mut values[..S::lanes32()]).copy_from_slice(bytes_of(&vector));
}

/// What becomes of a sum at the end of a step; what is no number stays none, on every processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rectifier {
    /// It stays as it is.
    None,
    /// Zero where it is below.
    Zero,
    /// The same, and 6 where it is above.
    Six,
}

impl Rectifier {
    /// Of each value of a vector.
    #[inline(always)]
    pub(super) fn vector<S: Simd>(self, vector: Vector<S, f32>) -> Vector<S, f32> {
        match self {
            Self::None => vector,
            Self::Zero => rectified(vector),
            Self::Six => {
                let (six, above) = (6.0_f32.splat::<S>(), rectified(vector));
                f32::vlt(six, above).select(six, above)
            }
        }
    }

    /// Of one value.
    #[inline(always)]
    pub(super) fn value(self, value: f32) -> f32 {
        let above = if self == Self::None { value } else { rectify(value) };
        if self == Self::Six && above > 6.0 { 6.0 } else { above }
    }
}

/// Zero where a value is below it.
#[inline(always)]
fn rectified<S: Simd>(vector: Vector<S, f32>) -> Vector<S, f32> {
    let zero = 0.0_f32.splat::<S>();
    f32::vlt(vector, zero).select(zero, vector)
}

/// The same for one value.
#[inline(always)]
pub(super) fn rectify(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}
