//! Single operations on a device, the measured bounds of a roofline: a copy, a matrix product, a convolution.
//!
//! Each run works on tensors that are on the device already, keeps its result until
//! the device is done ([`burn::tensor::Device::sync`]) and drops it then.

use burn::tensor::module::{conv2d, conv3d};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::cost::{Kind, Layer};
use super::{Precision, WorkError, supported, values};
use crate::Device;

/// Inputs that take turns, so that no run finds its own input in a cache by being the only one.
const TURNS: usize = 3;

/// One operation with its operands.
pub struct Kernel {
    device: Device,
    operation: Operation,
    precision: Precision,
    turn: usize,
}

enum Operation {
    Copy { inputs: Vec<Tensor<1>>, values: u64 },
    Product { inputs: Vec<Tensor<2>>, side: u64 },
    Convolution { inputs: Vec<Tensor<4>>, kernel: Tensor<4>, stride: usize, layer: Layer },
    Cube { inputs: Vec<Tensor<5>>, kernel: Tensor<5>, stride: usize, layer: Layer },
    Linear { inputs: Vec<Tensor<2>>, matrix: Tensor<2>, layer: Layer },
}

impl Kernel {
    /// Reads so many values, adds one to each and writes them elsewhere.
    pub fn copy(count: usize, precision: Precision, device: &Device, seed: u64) -> Result<Self, WorkError> {
        let mut make = Make::new(precision, device, seed)?;
        let operation =
            Operation::Copy { inputs: make.turns(|make| make.tensor([count])), values: count as u64 };
        Ok(make.kernel(operation))
    }

    /// Multiplies two square matrices.
    pub fn product(side: usize, precision: Precision, device: &Device, seed: u64) -> Result<Self, WorkError> {
        let mut make = Make::new(precision, device, seed)?;
        let inputs = make.turns(|make| make.tensor([side, side]));
        Ok(make.kernel(Operation::Product { inputs, side: side as u64 }))
    }

    /// A counted layer by itself; `None` for a kind that is not measured alone.
    pub fn layer(
        layer: &Layer,
        precision: Precision,
        device: &Device,
        seed: u64,
    ) -> Result<Option<Self>, WorkError> {
        let mut make = Make::new(precision, device, seed)?;
        let ([_, input, ..], [_, output, ..]) = (layer.input, layer.output);
        let operation = match layer.kind {
            Kind::Convolution { kernel, stride } => Operation::Convolution {
                inputs: make.turns(|make| make.tensor(layer.input)),
                kernel: make.tensor([output, input, kernel, kernel]),
                stride,
                layer: layer.clone(),
            },
            Kind::Linear => Operation::Linear {
                inputs: make.turns(|make| make.tensor([layer.input[0], input])),
                matrix: make.tensor([input, output]),
                layer: layer.clone(),
            },
            Kind::Cube { kernel, stride } => {
                let [batch, _, height, width] = layer.input;
                let shape = [batch, input, layer.depth[0], height, width];
                Operation::Cube {
                    inputs: make.turns(|make| make.tensor(shape)),
                    kernel: make.tensor([output, input, kernel, kernel, kernel]),
                    stride,
                    layer: layer.clone(),
                }
            }
            Kind::Upsampling | Kind::CubeUpsampling | Kind::Patches { .. } | Kind::Depthwise { .. } => {
                return Ok(None);
            }
        };
        Ok(Some(make.kernel(operation)))
    }

    /// Does the operation once and waits until the device is done.
    pub fn run(&mut self) -> Result<(), WorkError> {
        self.turn += 1;
        let turn = self.turn;
        match &self.operation {
            Operation::Copy { inputs, .. } => self.wait(inputs[turn % TURNS].clone().add_scalar(1.0)),
            Operation::Product { inputs, .. } => {
                self.wait(inputs[turn % TURNS].clone().matmul(inputs[(turn + 1) % TURNS].clone()))
            }
            Operation::Convolution { inputs, kernel, stride, .. } => {
                let pad = kernel.dims()[2] / 2;
                let options = ConvOptions::new([*stride; 2], [pad; 2], [1, 1], 1);
                self.wait(conv2d(inputs[turn % TURNS].clone(), kernel.clone(), None, options))
            }
            Operation::Cube { inputs, kernel, stride, .. } => {
                let pad = kernel.dims()[2] / 2;
                let options = ConvOptions::new([*stride; 3], [pad; 3], [1; 3], 1);
                self.wait(conv3d(inputs[turn % TURNS].clone(), kernel.clone(), None, options))
            }
            Operation::Linear { inputs, matrix, .. } => {
                self.wait(inputs[turn % TURNS].clone().matmul(matrix.clone()))
            }
        }
    }

    fn wait<const D: usize>(&self, result: Tensor<D>) -> Result<(), WorkError> {
        let done = self.device.burn().sync();
        drop(result);
        done.map_err(|error| WorkError::Device { reason: format!("{error:?}") })
    }

    /// FLOP of one run.
    pub fn flop(&self) -> u64 {
        match &self.operation {
            Operation::Copy { values, .. } => *values,
            Operation::Product { side, .. } => 2 * side * side * side,
            Operation::Convolution { layer, .. }
            | Operation::Cube { layer, .. }
            | Operation::Linear { layer, .. } => layer.flop(),
        }
    }

    /// The least bytes that one run moves.
    pub fn bytes(&self) -> u64 {
        let size = self.precision.bytes();
        match &self.operation {
            Operation::Copy { values, .. } => 2 * size * values,
            Operation::Product { side, .. } => 3 * size * side * side,
            Operation::Convolution { layer, .. }
            | Operation::Cube { layer, .. }
            | Operation::Linear { layer, .. } => layer.bytes(size),
        }
    }
}

/// Makes operands.
struct Make {
    device: Device,
    precision: Precision,
    generator: ChaCha8Rng,
}

impl Make {
    fn new(precision: Precision, device: &Device, seed: u64) -> Result<Self, WorkError> {
        supported(device, precision)?;
        Ok(Self { device: device.clone(), precision, generator: ChaCha8Rng::seed_from_u64(seed) })
    }

    fn tensor<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let values = values(shape.iter().product(), &mut self.generator);
        let tensor: Tensor<D> = Tensor::from_data(TensorData::new(values, shape), self.device.burn());
        tensor.cast(self.precision.dtype())
    }

    fn turns<T>(&mut self, one: impl Fn(&mut Self) -> T) -> Vec<T> {
        (0..TURNS).map(|_| one(self)).collect()
    }

    fn kernel(self, operation: Operation) -> Kernel {
        Kernel { device: self.device, operation, precision: self.precision, turn: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeviceChoice;
    use crate::bench::cost::layers;
    use crate::network::Architecture;

    #[test]
    fn every_operation_runs_in_both_precisions_and_counts_its_work() {
        let device = Device::open(DeviceChoice::Cpu).unwrap();
        let architecture = Architecture::preset("resnet18", 1, 4).unwrap();
        let layers = layers(&architecture, 2, 32, 32);
        for precision in [Precision::F32, Precision::F16] {
            let mut copy = Kernel::copy(1000, precision, &device, 1).unwrap();
            copy.run().unwrap();
            assert_eq!(copy.bytes(), 2000 * precision.bytes());
            let mut product = Kernel::product(16, precision, &device, 1).unwrap();
            product.run().unwrap();
            assert_eq!((product.flop(), product.bytes()), (8192, 768 * precision.bytes()));
            for layer in [&layers[0], layers.last().unwrap()] {
                let mut kernel = Kernel::layer(layer, precision, &device, 1).unwrap().unwrap();
                kernel.run().unwrap();
                assert_eq!(kernel.flop(), layer.flop());
            }
        }
    }

    /// The operation that is timed has the shape that was counted.
    #[test]
    fn a_layer_alone_gives_the_shape_that_was_counted() {
        let device = Device::open(DeviceChoice::Cpu).unwrap();
        let architecture = Architecture::preset("densenet121", 1, 4).unwrap();
        for layer in layers(&architecture, 1, 64, 48).iter().take(12) {
            let kernel = Kernel::layer(layer, Precision::F32, &device, 1).unwrap().unwrap();
            let Operation::Convolution { inputs, kernel, stride, .. } = &kernel.operation else { continue };
            let pad = kernel.dims()[2] / 2;
            let options = ConvOptions::new([*stride; 2], [pad; 2], [1, 1], 1);
            assert_eq!(conv2d(inputs[0].clone(), kernel.clone(), None, options).dims(), layer.output);
        }
        let architecture = Architecture::preset("resnet18-3d", 1, 4).unwrap();
        let layers = layers(&architecture, 1, 8, 8);
        for layer in layers.iter().filter(|layer| matches!(layer.kind, Kind::Cube { .. })) {
            let mut own = Kernel::layer(layer, Precision::F32, &device, 1).unwrap().unwrap();
            own.run().unwrap();
            assert_eq!(own.flop(), layer.flop());
            let Operation::Cube { inputs, kernel, stride, .. } = &own.operation else { panic!("a cube") };
            let pad = kernel.dims()[2] / 2;
            let options = ConvOptions::new([*stride; 3], [pad; 3], [1; 3], 1);
            let [batch, channels, height, width] = layer.output;
            let found = conv3d(inputs[0].clone(), kernel.clone(), None, options).dims();
            assert_eq!(found, [batch, channels, layer.depth[1], height, width], "{}", layer.name);
        }
    }
}
