//! `chiasm bench device`: what the device is, and how fast it is through Burn.

use models::Device;
use models::bench::cost::{Kind, Layer};
use models::bench::kernel::Kernel;
use models::bench::{Precision, WorkError};
use models::device::ShadingLanguage;
use serde::Serialize;
use serde_json::{Value, json};

use super::file::{Better, Figure};
use super::timing::{self, Plan};

/// Sizes of the copied tensors, in MiB: from what a cache holds to what none does.
const COPIES: [usize; 4] = [1, 4, 16, 64];
/// Sides of the multiplied matrices, on the CPU and on a GPU.
const PRODUCTS: ([usize; 3], [usize; 3]) = ([256, 512, 1024], [1024, 2048, 4096]);
/// Batches of the convolutions, on the CPU and on a GPU.
const BATCH: (usize, usize) = (1, 32);
/// Side of the kernel, channels in, channels out, side of the picture: of ResNet-50, from its first stage to its last.
const CONVOLUTIONS: [[usize; 4]; 4] =
    [[3, 64, 64, 56], [1, 256, 64, 56], [3, 256, 256, 14], [3, 512, 512, 7]];

/// What a device was measured to do at most, through Burn: the two bounds of a roofline (Williams et al. 2009). The best that was
/// seen counts: the median of a busy machine is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Roof {
    /// FLOP a second, the best of products and convolutions.
    pub flop_per_second: f64,
    /// Bytes a second, the best of the copies.
    pub bytes_per_second: f64,
}

impl Roof {
    /// The least seconds for so much work, and what bounds it.
    pub fn bound(&self, flop: u64, bytes: u64) -> (f64, &'static str) {
        let (compute, memory) = (flop as f64 / self.flop_per_second, bytes as f64 / self.bytes_per_second);
        if compute >= memory { (compute, "FLOP") } else { (memory, "bytes") }
    }
}

/// Figures, and the roof of each precision.
pub type Measured = (Vec<Figure>, Vec<(Precision, Roof)>);

/// One operation and what it is called.
struct Operation {
    name: String,
    kernel: Kernel,
    copies: bool,
}

/// Measures all operations in turns: figures, and the roof in f32.
pub fn measure(
    device: &Device,
    precisions: &[Precision],
    plan: Plan,
    seed: u64,
) -> Result<Measured, WorkError> {
    let (mut figures, mut roofs) = (Vec::new(), Vec::new());
    for precision in precisions {
        let mut operations = operations(device, *precision, seed)?;
        for operation in &mut operations {
            timing::warm_up(|| operation.kernel.run())?;
        }
        let mut seconds = vec![Vec::new(); operations.len()];
        for _ in 0..plan.rounds {
            for (operation, seconds) in operations.iter_mut().zip(&mut seconds) {
                seconds.push(timing::round(plan, || operation.kernel.run())?);
            }
        }
        let mut roof = Roof { flop_per_second: f64::MIN_POSITIVE, bytes_per_second: f64::MIN_POSITIVE };
        for (operation, seconds) in operations.into_iter().zip(seconds) {
            let kernel = &operation.kernel;
            let (amount, unit) =
                if operation.copies { (kernel.bytes(), "GB/s") } else { (kernel.flop(), "GFLOP/s") };
            let rates = seconds
                .into_iter()
                .map(|round| round.into_iter().map(|own| amount as f64 / own.max(1e-9) / 1e9).collect());
            let name = format!("{}, {}", operation.name, precision.as_str());
            if let Some(figure) = Figure::new(name, unit, Better::More, rates.collect()) {
                let best =
                    if operation.copies { &mut roof.bytes_per_second } else { &mut roof.flop_per_second };
                *best = best.max(1e9 * figure.summary.most);
                figures.push(figure);
            }
        }
        roofs.push((*precision, roof));
    }
    Ok((figures, roofs))
}

fn operations(device: &Device, precision: Precision, seed: u64) -> Result<Vec<Operation>, WorkError> {
    let gpu = device.is_gpu();
    let mut all = Vec::new();
    for mebibytes in COPIES {
        let values = (mebibytes << 20) / usize::try_from(precision.bytes()).unwrap_or(4);
        let kernel = Kernel::copy(values, precision, device, seed)?;
        all.push(Operation { name: format!("copy, {mebibytes} MiB"), kernel, copies: true });
    }
    for side in if gpu { PRODUCTS.1 } else { PRODUCTS.0 } {
        let kernel = Kernel::product(side, precision, device, seed)?;
        all.push(Operation { name: format!("matrix product, {side}"), kernel, copies: false });
    }
    let batch = if gpu { BATCH.1 } else { BATCH.0 };
    for [kernel, input, output, side] in CONVOLUTIONS {
        let name = format!("convolution {kernel}x{kernel}, {input} to {output}, {side} px, batch {batch}");
        let layer = Layer {
            name: name.clone(),
            kind: Kind::Convolution { kernel, stride: 1 },
            input: [batch, input, side, side],
            output: [batch, output, side, side],
            depth: [1, 1],
        };
        if let Some(kernel) = Kernel::layer(&layer, precision, device, seed)? {
            all.push(Operation { name, kernel, copies: false });
        }
    }
    Ok(all)
}

/// The precisions that the device computes in.
pub fn precisions(device: &Device) -> Vec<Precision> {
    let works = |precision: &Precision| Kernel::copy(1, *precision, device, 1).is_ok();
    [Precision::F32, Precision::F16].into_iter().filter(works).collect()
}

/// What the file says beside the figures.
pub fn detail(device: &Device, roofs: &[(Precision, Roof)]) -> Value {
    let roofs: serde_json::Map<String, Value> =
        roofs.iter().map(|(precision, roof)| (precision.as_str().to_owned(), json!(roof))).collect();
    json!({
        "adapter": device.adapter(), "roof": roofs,
        "shader": device.shading_language(), "shaders_built": ShadingLanguage::built(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roof_bounds_work_by_what_it_has_more_of() {
        let roof = Roof { flop_per_second: 100.0, bytes_per_second: 10.0 };
        assert_eq!(roof.bound(1000, 10), (10.0, "FLOP"));
        assert_eq!(roof.bound(10, 1000), (100.0, "bytes"));
    }
}
