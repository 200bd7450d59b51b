//! Why a file, an instance or a study is not read: a stable code and a sentence for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares the codes once: variant, stable text, meaning.
macro_rules! refusal_codes {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// The stable code of a refusal. Codes are never renamed; new ones may be added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum RefusalCode {
            $($(#[$doc])* $name,)+
        }

        impl RefusalCode {
            /// Every code, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The stable text of the code, the same in JSON, logs and reports.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

refusal_codes! {
    /// Empty, or without the DICOM prefix and file meta information.
    NotDicom,
    /// The file ends inside an element, a sequence, a deflated stream or the pixel data.
    Truncated,
    /// A declared length is greater than what holds it, or undefined where the standard does not allow it.
    LengthOverrun,
    /// A value representation that is not one, or a value that its representation does not allow.
    BadVr,
    /// An item, a delimiter or an element where none may be, or the same element twice.
    BadStructure,
    /// Sequences nested deeper than the limit.
    TooDeep,
    /// More elements than the limit.
    TooManyElements,
    /// A deflated data set, or what a ZIP archive holds, grows beyond the limit.
    ExpansionLimit,
    /// The file is greater than the limit.
    TooLarge,
    /// Pixel data, codec header and image attributes contradict each other.
    PixelMismatch,
    /// More pixels than the limit.
    PixelLimit,
    /// Pixels of a kind that is not read: bit depth, sign, float, or layout.
    UnsupportedPixel,
    /// A transfer syntax, or a codec process inside one, that is not read.
    UnsupportedTransferSyntax,
    /// A colour or palette image where grey values are needed.
    ColourPixel,
    /// The codec reports an error in the compressed data.
    DecoderFailed,
    /// The codec panicked; the panic was contained.
    DecoderPanicked,
    /// The process that read the instance ended, each time it was tried.
    DecoderDied,
    /// The process that read the instance gave no answer in time.
    DecoderHung,
    /// No process could be started to read the instance; the instance itself may be sound.
    DecoderUnavailable,
    /// An instance without an image.
    NoPixelData,
    /// A UID that is not one.
    BadUid,
    /// An attribute that is needed is absent, empty or unusable.
    MissingAttribute,
    /// One SOP Instance UID with two different contents.
    ConflictingInstance,
    /// The archive rejected the instance by a note in its study.
    RejectedByArchive,
    /// Instances of one study name different patients.
    MixedPatient,
    /// Images contradict each other, or their order, about the side of the body.
    LateralityConflict,
    /// Instances of one study name different orders.
    OrderConflict,
    /// A date or an age that cannot be: a birth after the study, a study that has not been yet, 999 years.
    ImplausibleDate,
    /// The file could not be read from its source.
    UnreadableFile,
    /// A ZIP archive whose directory cannot be read or contradicts its entries, or an entry that is not what the directory says.
    ArchiveDamaged,
    /// A ZIP archive with encrypted entries.
    ArchiveEncrypted,
    /// An entry of a ZIP archive that is compressed in another way than stored or deflated.
    ArchiveMethod,
    /// An archive inside an archive.
    ArchiveNested,
    /// A ZIP archive with more entries than the limit.
    TooManyEntries,
    /// A name in a ZIP archive that leads out of it.
    PathEscape,
    /// A picture that may show who the patient is, and that nobody has declared clean.
    BurnedInText,
    /// A report or document whose words may tell who the patient is.
    StructuredContent,
    /// A measurement in a unit that is not known for it.
    BadUnit,
    /// Pixel Spacing is absent or not positive where sizes are needed.
    NoSpacing,
    /// Position or orientation of a slice is absent or contradicts itself.
    NoGeometry,
    /// Slices of a series differ in orientation, size, spacing, unit or coordinate system.
    MixedSeries,
    /// A series with gaps, uneven steps, several slices at one place, fewer than two slices, or a file that could not be read.
    IncompleteSeries,
    /// All grey values of an image are the same.
    BlankImage,
}

impl RefusalCode {
    /// Whether it tells what became of the process that read the instance, not what the instance holds.
    pub const fn is_of_the_process(self) -> bool {
        matches!(self, Self::DecoderDied | Self::DecoderHung | Self::DecoderUnavailable)
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A typed refusal: what was not read and why. The message never holds a value of the file that could identify
/// a patient: only tags, offsets, sizes and names of the standard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// The stable code.
    pub code: RefusalCode,
    /// What, where (tag, offset) and what to do about it.
    pub message: String,
}

impl Refusal {
    /// A refusal with its sentence.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_the_same_text_everywhere() {
        for code in RefusalCode::ALL {
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
        }
        let refusal = Refusal::new(RefusalCode::TooDeep, "65 levels");
        assert_eq!(refusal.to_string(), "TooDeep: 65 levels");
    }
}
