//! Bits of an entropy-coded scan of JPEG and JPEG-LS, highest first.

/// How a byte of ones is kept apart from a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stuffing {
    /// A byte of zeros follows (ITU-T T.81, B.1.1.5).
    Byte,
    /// The next byte has seven bits (ITU-T T.87, A.1).
    Bit,
}

/// Bits on their way into bytes.
pub(super) struct BitWriter {
    stuffing: Stuffing,
    bytes: Vec<u8>,
    buffer: u64,
    held: u32,
}

impl BitWriter {
    pub(super) fn new(stuffing: Stuffing) -> Self {
        Self { stuffing, bytes: Vec::new(), buffer: 0, held: 0 }
    }

    /// Writes the lowest `count` bits of `value`, at most 32.
    pub(super) fn put(&mut self, value: u32, count: u32) {
        let value = u64::from(value) & ((1_u64 << count) - 1);
        self.buffer = self.buffer << count | value;
        self.held += count;
        while self.held >= self.width() {
            self.flush();
        }
    }

    /// Bits that the next byte takes.
    fn width(&self) -> u32 {
        if self.stuffing == Stuffing::Bit && self.bytes.last() == Some(&0xFF) { 7 } else { 8 }
    }

    fn flush(&mut self) {
        let width = self.width();
        self.held -= width;
        let byte = self.buffer >> self.held;
        self.buffer &= (1_u64 << self.held) - 1;
        #[expect(clippy::cast_possible_truncation, reason = "eight bits are left")]
        let byte = byte as u8;
        self.bytes.push(byte);
        if self.stuffing == Stuffing::Byte && byte == 0xFF {
            self.bytes.push(0);
        }
    }

    /// All bytes; what is left of the last one is filled with `fill`.
    pub(super) fn finish(mut self, fill: bool) -> Vec<u8> {
        if self.held > 0 {
            let missing = self.width() - self.held;
            self.put(if fill { (1 << missing) - 1 } else { 0 }, missing);
        }
        if self.stuffing == Stuffing::Bit && self.bytes.last() == Some(&0xFF) {
            self.bytes.push(0);
        }
        self.bytes
    }
}
