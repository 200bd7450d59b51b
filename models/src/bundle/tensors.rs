//! A state dict as the safetensors file of a bundle.

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use crate::network::{StateDict, StateTensor};

/// The tensors as safetensors, f32; the same tensors give the same bytes.
pub fn write(state: &StateDict) -> Result<Vec<u8>, SafeTensorError> {
    let bytes: Vec<(&String, &[usize], Vec<u8>)> = state
        .iter()
        .map(|(name, tensor)| {
            let bytes = tensor.values().iter().flat_map(|value| value.to_le_bytes()).collect();
            (name, tensor.shape(), bytes)
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| Ok((*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes)?)))
        .collect::<Result<Vec<_>, SafeTensorError>>()?;
    safetensors::serialize(views, None)
}

/// The tensors of a bundle's safetensors, which are of f32 all.
pub fn read(bytes: &[u8]) -> Result<StateDict, SafeTensorError> {
    let file = SafeTensors::deserialize(bytes)?;
    file.iter()
        .map(|(name, view)| {
            let wrong = || SafeTensorError::InvalidTensorView(view.dtype(), view.shape().to_vec(), 0);
            if view.dtype() != Dtype::F32 {
                return Err(wrong());
            }
            let (chunks, _) = view.data().as_chunks::<4>();
            let values = chunks.iter().map(|four| f32::from_le_bytes(*four)).collect();
            let tensor = StateTensor::new(view.shape().to_vec(), values).ok_or_else(wrong)?;
            Ok((name.to_owned(), tensor))
        })
        .collect()
}
