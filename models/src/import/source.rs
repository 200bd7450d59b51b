//! A file of tensors: a PyTorch file or safetensors, read one tensor at a time.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use pytorch_reader::{DType, PytorchReader, Tensor};
use safetensors::{Dtype, SafeTensors};

use super::{ImportError, MAX_TENSORS, MAX_WEIGHTS_BYTES};
use crate::bundle::sha256;

/// The longest name of a tensor, in bytes; the longest that a known package writes has about 100.
const MAX_NAME_BYTES: usize = 1024;

/// Kinds of element that become f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    F64,
    F32,
    F16,
    Bf16,
}

/// What a file says of one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(super) shape: Vec<usize>,
    /// `Err` with the name of a type that is not floating-point.
    element: Result<Element, String>,
}

/// An open file of tensors.
pub(crate) struct Source {
    entries: BTreeMap<String, Entry>,
    tensors: Tensors,
    sha256: String,
    /// Where it lies, if it is read again for each tensor.
    path: Option<PathBuf>,
}

enum Tensors {
    /// A PyTorch file; its tensors are read from it when they are asked for.
    PyTorch(HashMap<String, Tensor>),
    /// The bytes of a safetensors file.
    Safetensors(Vec<u8>),
}

impl Source {
    /// Opens the file at `path` and reads which tensors it has.
    pub(crate) fn open(path: &Path) -> Result<Self, ImportError> {
        let failed = |source| ImportError::Read { source };
        let about = std::fs::metadata(path).map_err(failed)?;
        if !about.is_file() || about.len() > MAX_WEIGHTS_BYTES {
            return Err(failed(std::io::ErrorKind::InvalidInput.into()));
        }
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_WEIGHTS_BYTES).read_to_end(&mut bytes))
            .map_err(failed)?;
        let sha256 = sha256(&bytes);
        if is_safetensors(&bytes) {
            return Self::from_safetensors(bytes, sha256);
        }
        drop(bytes);
        let reader = contained(|| PytorchReader::new(path))
            .and_then(|read| read.map_err(|error| chain(&error)))
            .map_err(|reason| ImportError::Format { reason })?;
        let tensors = reader.into_tensors();
        let entries: BTreeMap<String, Entry> = tensors
            .iter()
            .map(|(name, tensor)| {
                let element = match tensor.dtype() {
                    DType::F64 => Ok(Element::F64),
                    DType::F32 => Ok(Element::F32),
                    DType::F16 => Ok(Element::F16),
                    DType::BF16 => Ok(Element::Bf16),
                    other => Err(format!("{other:?}")),
                };
                (name.clone(), Entry { shape: tensor.shape().to_vec(), element })
            })
            .collect();
        checked(&entries)?;
        Ok(Self { entries, tensors: Tensors::PyTorch(tensors), sha256, path: Some(path.to_owned()) })
    }

    /// Reads which tensors a safetensors file has.
    pub(crate) fn from_safetensors(bytes: Vec<u8>, sha256: String) -> Result<Self, ImportError> {
        let failed = |error: safetensors::SafeTensorError| ImportError::Format { reason: error.to_string() };
        let file = SafeTensors::deserialize(&bytes).map_err(failed)?;
        let entries: BTreeMap<String, Entry> = file
            .iter()
            .map(|(name, view)| {
                let element = match view.dtype() {
                    Dtype::F64 => Ok(Element::F64),
                    Dtype::F32 => Ok(Element::F32),
                    Dtype::F16 => Ok(Element::F16),
                    Dtype::BF16 => Ok(Element::Bf16),
                    other => Err(format!("{other:?}")),
                };
                (name.to_owned(), Entry { shape: view.shape().to_vec(), element })
            })
            .collect();
        checked(&entries)?;
        Ok(Self { entries, tensors: Tensors::Safetensors(bytes), sha256, path: None })
    }

    /// The tensors by name.
    pub(crate) fn entries(&self) -> &BTreeMap<String, Entry> {
        &self.entries
    }

    /// SHA-256 of the file, lower-case hexadecimal.
    pub(crate) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Whether the file is still the one that the digest is of, after its tensors were read.
    pub(crate) fn is_unchanged(&self) -> Result<(), ImportError> {
        let Some(path) = &self.path else { return Ok(()) };
        let failed = |source| ImportError::Read { source };
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_WEIGHTS_BYTES).read_to_end(&mut bytes))
            .map_err(failed)?;
        if sha256(&bytes) == self.sha256 {
            return Ok(());
        }
        Err(failed(std::io::Error::other(
            "it was changed while it was read: import it again once it is whole",
        )))
    }

    /// The values of a tensor in row-major order, and whether they were f32 in the file.
    pub(crate) fn values(&self, name: &str) -> Result<(Vec<f32>, bool), ImportError> {
        let damaged = |reason: &str| ImportError::Tensor { name: name.to_owned(), reason: reason.to_owned() };
        let entry = self.entries.get(name).ok_or_else(|| damaged("it is not there"))?;
        let element =
            entry.element.clone().map_err(|dtype| ImportError::Dtype { name: name.to_owned(), dtype })?;
        let values = match &self.tensors {
            Tensors::PyTorch(tensors) => {
                let tensor = tensors.get(name).ok_or_else(|| damaged("it is not there"))?;
                let bytes = contained(|| tensor.read())
                    .and_then(|read| read.map_err(|error| error.to_string()))
                    .map_err(|reason| damaged(&reason))?;
                decode(&bytes, element, true)
            }
            Tensors::Safetensors(bytes) => {
                let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error.to_string()))?;
                let view = file.tensor(name).map_err(|error| damaged(&error.to_string()))?;
                decode(view.data(), element, false)
            }
        };
        Ok((values, element == Element::F32))
    }
}

/// Bounds what is done with names: each part of each is looked at, and messages print them.
fn checked(entries: &BTreeMap<String, Entry>) -> Result<(), ImportError> {
    if entries.len() > MAX_TENSORS {
        return Err(ImportError::TooMany { count: entries.len() });
    }
    let is_name = |name: &String| name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control);
    if entries.keys().all(is_name) {
        return Ok(());
    }
    let reason =
        format!("a tensor's name is longer than {MAX_NAME_BYTES} bytes or has characters that are no text");
    Err(ImportError::Format { reason })
}

/// The length of a header, then a JSON object.
fn is_safetensors(bytes: &[u8]) -> bool {
    bytes.len() > 9 && bytes[8] == b'{' && bytes[6..8] == [0, 0]
}

/// Bytes of one element each to f32; `native` is the machine's byte order, else little-endian.
#[expect(
    clippy::cast_possible_truncation,
    reason = "weights are f32 here, and the caller says that they were rounded"
)]
fn decode(bytes: &[u8], element: Element, native: bool) -> Vec<f32> {
    fn each<const N: usize>(bytes: &[u8], native: bool, read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        let (chunks, _) = bytes.as_chunks::<N>();
        let swap = native && cfg!(target_endian = "big");
        chunks
            .iter()
            .map(|chunk| {
                let mut own = *chunk;
                if swap {
                    own.reverse();
                }
                read(own)
            })
            .collect()
    }
    match element {
        Element::F64 => each(bytes, native, |own| f64::from_le_bytes(own) as f32),
        Element::F32 => each(bytes, native, f32::from_le_bytes),
        Element::F16 => each(bytes, native, |own| half(u16::from_le_bytes(own))),
        Element::Bf16 => each(bytes, native, |own| f32::from_bits(u32::from(u16::from_le_bytes(own)) << 16)),
    }
}

/// IEEE 754 binary16 to f32, exactly.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from((bits >> 10) & 0x1F);
    let fraction = f32::from(bits & 0x3FF);
    let size = match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2.0_f32.powi(exponent - 15),
    };
    sign * size
}

/// Runs a reader of bytes from outside; should it panic, that is an error like any other.
fn contained<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| "its reader stopped".to_owned())
}

/// An error and its causes on one line, short enough to print.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let own = error.to_string();
        if !text.contains(&own) {
            text = format!("{text}: {own}");
        }
        cause = error.source();
    }
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference: numpy 2, `np.array([...], dtype=np.uint16).view(np.float16).astype(np.float32)`.
    #[test]
    fn halves_are_exact() {
        let cases = [
            (0x0000, 0.0),
            (0x8000, -0.0),
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
            (0x03FF, 6.097_555e-5),
            (0x7BFF, 65504.0),
        ];
        for (bits, value) in cases {
            assert_eq!(half(bits).to_bits(), f32::to_bits(value), "{bits:#x}");
        }
        assert!(half(0x7C00).is_infinite() && half(0x7E00).is_nan());
    }
}
