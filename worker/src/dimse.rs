//! Command sets as bytes (PS3.7 6.3.1): implicit VR little endian, all elements of group 0000, the length of the rest first.

/// Verification SOP Class, of C-ECHO.
pub(crate) const VERIFICATION: &str = "1.2.840.10008.1.1";
/// Implicit VR Little Endian, which every application entity has to offer for C-ECHO.
pub(crate) const IMPLICIT_LITTLE: &str = "1.2.840.10008.1.2";

/// Command Data Set Type (0000,0800): none follows.
pub(crate) const NO_DATASET: u16 = 0x0101;
/// Command Data Set Type (0000,0800): one follows.
pub(crate) const DATASET: u16 = 0x0001;

/// The elements of the command group that are used here.
pub(crate) mod element {
    pub(crate) const SOP_CLASS: u16 = 0x0002;
    pub(crate) const COMMAND_FIELD: u16 = 0x0100;
    pub(crate) const MESSAGE_ID: u16 = 0x0110;
    pub(crate) const MESSAGE_RESPONDED_TO: u16 = 0x0120;
    pub(crate) const PRIORITY: u16 = 0x0700;
    pub(crate) const DATASET_TYPE: u16 = 0x0800;
    pub(crate) const STATUS: u16 = 0x0900;
    pub(crate) const ERROR_COMMENT: u16 = 0x0902;
    pub(crate) const SOP_INSTANCE: u16 = 0x1000;
}

/// A command set that is written, element by element in ascending order.
#[derive(Debug, Default)]
pub(crate) struct CommandSet(Vec<u8>);

impl CommandSet {
    pub(crate) fn number(mut self, element: u16, value: u16) -> Self {
        self.element(element, &value.to_le_bytes());
        self
    }

    pub(crate) fn uid(self, element: u16, uid: &str) -> Self {
        self.padded(element, uid, 0)
    }

    pub(crate) fn text(self, element: u16, text: &str) -> Self {
        self.padded(element, text, b' ')
    }

    fn padded(mut self, element: u16, text: &str, padding: u8) -> Self {
        let mut value = text.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(padding);
        }
        self.element(element, &value);
        self
    }

    fn element(&mut self, element: u16, value: &[u8]) {
        self.0.extend_from_slice(&[0, 0]);
        self.0.extend_from_slice(&element.to_le_bytes());
        self.0.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.0.extend_from_slice(value);
    }

    /// The whole set.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let length = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        let mut whole = Self::default();
        whole.element(0x0000, &length.to_le_bytes());
        whole.0.extend_from_slice(&self.0);
        whole.0
    }
}

/// The elements of a command set that was received; `None` where the bytes are none.
pub(crate) fn elements(mut bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut elements = Vec::new();
    while !bytes.is_empty() {
        let head = bytes.get(..8)?;
        let length = usize::try_from(u32::from_le_bytes(head[4..].try_into().ok()?)).ok()?;
        let value = bytes.get(8..8_usize.checked_add(length)?)?;
        if head[..2] != [0, 0] {
            return None;
        }
        elements.push((u16::from_le_bytes([head[2], head[3]]), value));
        bytes = &bytes[8 + length..];
    }
    Some(elements)
}

/// A value of two bytes.
pub(crate) fn number(value: &[u8]) -> Option<u16> {
    Some(u16::from_le_bytes(value.try_into().ok()?))
}
