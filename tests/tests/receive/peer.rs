//! A sender that says what it is told to, fragment by fragment.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use dicom_ul::association::client::{ClientAssociation, ClientAssociationOptions};
use dicom_ul::pdu::{PDataValue, PDataValueType, Pdu};

/// Explicit VR Little Endian.
const SYNTAX: &str = "1.2.840.10008.1.2.1";

/// An open association.
pub(super) struct Sender {
    association: ClientAssociation<TcpStream>,
    context: u8,
}

/// A command set.
pub(super) struct Command {
    pub(super) field: u16,
    pub(super) sop_class: String,
    pub(super) sop_instance: String,
    pub(super) has_dataset: bool,
}

impl Command {
    /// C-STORE-RQ.
    pub(super) fn store(sop_class: &str, sop_instance: &str) -> Self {
        let (sop_class, sop_instance) = (sop_class.to_owned(), sop_instance.to_owned());
        Self { field: 1, sop_class, sop_instance, has_dataset: true }
    }

    fn bytes(&self) -> Vec<u8> {
        let padded = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(bytes.len().next_multiple_of(2), 0);
            bytes
        };
        let type_of_dataset: u16 = if self.has_dataset { 1 } else { 0x0101 };
        let elements = [
            (0x0002_u16, padded(&self.sop_class)),
            (0x0100, self.field.to_le_bytes().to_vec()),
            (0x0110, 9_u16.to_le_bytes().to_vec()),
            (0x0700, vec![0, 0]),
            (0x0800, type_of_dataset.to_le_bytes().to_vec()),
            (0x1000, padded(&self.sop_instance)),
        ];
        let mut set = Vec::new();
        for (element, value) in elements {
            set.extend_from_slice(&[0, 0]);
            set.extend_from_slice(&element.to_le_bytes());
            set.extend_from_slice(&u32::try_from(value.len()).unwrap().to_le_bytes());
            set.extend_from_slice(&value);
        }
        let length = u32::try_from(set.len()).unwrap().to_le_bytes();
        [&[0, 0, 0, 0, 4, 0, 0, 0], length.as_slice(), &set].concat()
    }
}

impl Sender {
    /// Opens an association with one context of this class.
    pub(super) fn open(address: SocketAddr, class: &str) -> Self {
        let association = ClientAssociationOptions::new()
            .calling_ae_title(chiasm_tests::receiver::CALLER)
            .called_ae_title("CHIASM")
            .with_presentation_context(class.to_owned(), vec![SYNTAX.to_owned()])
            .read_timeout(Duration::from_mins(2))
            .establish(address)
            .unwrap();
        let context = association.presentation_contexts()[0].id;
        Self { association, context }
    }

    /// Sends bytes in fragments of at most `length` bytes.
    pub(super) fn send(&mut self, of: &PDataValueType, bytes: &[u8], length: usize) {
        let mut pieces = bytes.chunks(length).peekable();
        while let Some(piece) = pieces.next() {
            let is_last = pieces.peek().is_none();
            self.fragment(of, piece, is_last).unwrap();
        }
    }

    /// Sends one fragment.
    pub(super) fn fragment(
        &mut self,
        of: &PDataValueType,
        bytes: &[u8],
        is_last: bool,
    ) -> Result<(), dicom_ul::association::Error> {
        let value = PDataValue {
            presentation_context_id: self.context,
            value_type: of.clone(),
            is_last,
            data: bytes.to_vec(),
        };
        self.association.send(&Pdu::PData { data: vec![value] })
    }

    /// Sends a command without waiting.
    pub(super) fn command(&mut self, command: &Command) {
        self.send(&PDataValueType::Command, &command.bytes(), 60);
    }

    /// Sends a command and its data set, and gives status and error comment of the answer.
    pub(super) fn ask(&mut self, command: &Command, dataset: &[u8]) -> (u16, String) {
        self.command(command);
        if command.has_dataset {
            self.send(&PDataValueType::Data, dataset, 10_000);
        }
        self.answer()
    }

    /// Waits for an answer.
    pub(super) fn answer(&mut self) -> (u16, String) {
        let Pdu::PData { data } = self.next().unwrap() else { panic!("no answer") };
        let mut set = data[0].data.as_slice();
        let (mut status, mut comment) = (None, String::new());
        while let Some(head) = set.get(..8) {
            let length = usize::try_from(u32::from_le_bytes(head[4..].try_into().unwrap())).unwrap();
            let value = &set[8..8 + length];
            match u16::from_le_bytes([head[2], head[3]]) {
                0x0120 => assert_eq!(value, [9, 0], "it answers the message"),
                0x0900 => status = Some(u16::from_le_bytes(value.try_into().unwrap())),
                0x0902 => String::from_utf8_lossy(value).trim().clone_into(&mut comment),
                _ => {}
            }
            set = &set[8 + length..];
        }
        (status.unwrap(), comment)
    }

    /// The next PDU.
    pub(super) fn next(&mut self) -> Result<Pdu, dicom_ul::association::Error> {
        self.association.receive()
    }
}
