//! Values that begin on a cache line.

/// Bytes of a cache line, which is also the widest vector's size.
const LINE: usize = 64;
/// Values of a cache line.
const VALUES: usize = LINE / size_of::<f32>();

/// A buffer of f32 whose first value lies on a cache line, so that no vector of a row of whole vectors crosses one.
#[derive(Debug, Default)]
pub(super) struct Aligned {
    /// A line more than asked for; it never grows, so that it never moves.
    values: Vec<f32>,
    start: usize,
    length: usize,
}

impl Aligned {
    /// So many zeros.
    pub(super) fn zeros(length: usize) -> Self {
        let values = vec![0.0_f32; length + VALUES];
        let start = values.as_ptr().align_offset(LINE).min(VALUES);
        Self { values, start, length }
    }

    pub(super) fn values(&self) -> &[f32] {
        &self.values[self.start..self.start + self.length]
    }

    pub(super) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.start..self.start + self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_lies_on_a_line_wherever_the_buffer_goes() {
        let mut all: Vec<Aligned> = (0..50).map(Aligned::zeros).collect();
        let mut full = Aligned::zeros(2);
        full.values_mut().copy_from_slice(&[1.0, 2.0]);
        all.push(full);
        all.rotate_left(7);
        for own in &mut all {
            assert!(own.length == 0 || own.values().as_ptr().align_offset(LINE) == 0);
            assert_eq!(own.values_mut().len(), own.length);
        }
        assert!(all.iter().any(|own| own.values() == [1.0, 2.0]));
    }
}
