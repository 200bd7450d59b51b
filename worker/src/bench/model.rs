//! `chiasm bench model`: a network or a bundle by batch, and each of its layers.

use std::collections::BTreeMap;

use models::Device;
use models::bench::cost::{Kind, Layer};
use models::bench::forward::{Loaded, Part, Subject};
use models::bench::kernel::Kernel;
use models::bench::{Precision, WorkError};
use models::cpu::Computed;
use models::device::ShadingLanguage;
use serde::Serialize;

use super::device::Roof;
use super::file::{Better, Figure};
use super::machine;
use super::timing::{self, Plan};

/// What is measured, and how.
#[derive(Clone)]
pub struct Sweep {
    /// The network or bundle.
    pub subject: Subject,
    /// Pictures of each batch.
    pub batches: Vec<usize>,
    /// Precision of weights and activations.
    pub precision: Precision,
    /// For how long.
    pub plan: Plan,
    /// Of weights and pictures.
    pub seed: u64,
    /// Whether each layer is measured by itself.
    pub layers: bool,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Swept {
    /// Latency by batch.
    pub figures: Vec<Figure>,
    /// The rest.
    pub detail: Detail,
}

/// What the file says beside the figures.
#[derive(Debug, Clone, Serialize)]
pub struct Detail {
    /// Milliseconds until weights and networks are on the device; a bundle's self-test is part of it.
    pub load_ms: f64,
    /// What computes the whole: `a plan for the CPU`, or `Burn`. Layers alone are always Burn's.
    pub computed_by: &'static str,
    /// What kernels were handed to the driver in; `None` on the CPU.
    pub shader: Option<ShadingLanguage>,
    /// The bounds that rooflines are drawn with.
    pub roof: Roof,
    /// One a batch size.
    pub batches: Vec<Batch>,
    /// One a counted layer, for the first batch size.
    pub layers: Vec<LayerRow>,
}

/// One batch size.
#[derive(Debug, Clone, Serialize)]
pub struct Batch {
    /// Pictures of a batch.
    pub batch: usize,
    /// The first run, in milliseconds: on a GPU kernels are compiled and chosen in it.
    pub first_ms: f64,
    /// The warm runs that followed, in milliseconds.
    pub warm_up_ms: Vec<f64>,
    /// Pictures a second, at the median latency.
    pub images_per_second: f64,
    /// FLOP of a batch, counted.
    pub flop: u64,
    /// The least bytes of a batch, counted.
    pub bytes: u64,
    /// What the counted work takes at the roof, in milliseconds.
    pub bound_ms: f64,
    /// What sets that bound.
    pub bound_by: &'static str,
    /// The bound over the median latency.
    pub roofline_fraction: f64,
    /// Peak memory of this process in the first runs, in bytes, where the system tells it; inputs are part of it.
    pub peak_memory_bytes: Option<u64>,
    /// Bytes allocated on the adapter after the first runs, where it tells them.
    pub adapter_memory_bytes: Option<u64>,
}

/// One layer.
#[derive(Debug, Clone, Serialize)]
pub struct LayerRow {
    /// The network it is of.
    pub part: &'static str,
    /// How many networks of the subject have it.
    pub copies: usize,
    /// What it is.
    #[serde(flatten)]
    pub layer: Layer,
    /// FLOP, counted, of one copy.
    pub flop: u64,
    /// The least bytes, counted, of one copy.
    pub bytes: u64,
    /// What it takes at the roof, in milliseconds.
    pub bound_ms: f64,
    /// What sets that bound.
    pub bound_by: &'static str,
    /// Median of the layer by itself, in milliseconds; `None` for a kind that is not measured alone.
    pub alone_ms: Option<f64>,
    /// The bound over that.
    pub roofline_fraction: Option<f64>,
}

/// FLOP and least bytes of all parts for a batch.
pub fn counted(parts: &[Part], batch: usize, size: u64) -> (u64, u64) {
    let of = |part: &Part| {
        let layers = part.layers(batch);
        let copies = part.copies as u64;
        let flop: u64 = layers.iter().map(Layer::flop).sum();
        let bytes: u64 = layers.iter().map(|layer| layer.bytes(size)).sum();
        (copies * flop, copies * bytes)
    };
    parts.iter().map(of).fold((0, 0), |sum, own| (sum.0 + own.0, sum.1 + own.1))
}

/// Measures.
pub fn measure(sweep: &Sweep, roof: Roof, device: &Device) -> Result<Swept, WorkError> {
    let mut loaded = None;
    let load = timing::once(|| {
        loaded = Some(Loaded::new(&sweep.subject, sweep.precision, device, sweep.seed)?);
        Ok::<(), WorkError>(())
    })?;
    let Some(loaded) = loaded else {
        return Err(WorkError::Device { reason: "nothing was loaded".to_owned() });
    };
    let parts = sweep.subject.parts();
    let mut all = Vec::new();
    for batch in &sweep.batches {
        let known = machine::forget_peak();
        let mut work = loaded.batches(*batch, sweep.seed);
        let first = timing::once(|| work.run().map(drop))?;
        let warm = timing::warm_up(|| work.run().map(drop))?;
        let memory = (known.then(machine::peak_memory).flatten(), device.allocated_bytes());
        all.push((*batch, work, first, warm, memory, Vec::new()));
    }
    for _ in 0..sweep.plan.rounds {
        for (_, work, _, _, _, rounds) in &mut all {
            rounds.push(timing::round(sweep.plan, || work.run().map(drop))?);
        }
    }
    let (mut figures, mut batches) = (Vec::new(), Vec::new());
    for (batch, _, first, warm, (peak, adapter), rounds) in all {
        let milliseconds =
            rounds.into_iter().map(|round: Vec<f64>| round.into_iter().map(|own| 1e3 * own).collect());
        let name = format!("latency, batch {batch}");
        let Some(figure) = Figure::new(name, "ms", Better::Less, milliseconds.collect()) else { continue };
        let (flop, bytes) = counted(&parts, batch, sweep.precision.bytes());
        let (bound, bound_by) = roof.bound(flop, bytes);
        let median = figure.summary.median;
        batches.push(Batch {
            batch,
            first_ms: 1e3 * first,
            warm_up_ms: warm.into_iter().map(|own| 1e3 * own).collect(),
            images_per_second: 1e3 * batch as f64 / median,
            flop,
            bytes,
            bound_ms: 1e3 * bound,
            bound_by,
            roofline_fraction: 1e3 * bound / median,
            peak_memory_bytes: peak,
            adapter_memory_bytes: adapter,
        });
        figures.push(figure);
    }
    let rows = if sweep.layers { rows(sweep, &parts, roof, device)? } else { Vec::new() };
    let computed_by = match loaded.computed() {
        Computed::Plan => "a plan for the CPU",
        Computed::Burn | Computed::Mismatch(_) => "Burn",
    };
    let (load_ms, shader) = (1e3 * load, device.shading_language());
    Ok(Swept { figures, detail: Detail { load_ms, computed_by, shader, roof, batches, layers: rows } })
}

/// What makes two layers one measurement: kind, input, output, and depth of the input.
type Shape = (String, [usize; 4], [usize; 4], usize);

/// Each layer by itself for the first batch size; layers of one shape are measured once.
fn rows(sweep: &Sweep, parts: &[Part], roof: Roof, device: &Device) -> Result<Vec<LayerRow>, WorkError> {
    let batch = sweep.batches.first().copied().unwrap_or(1);
    let plan = Plan { rounds: 1, round: sweep.plan.round / 20 };
    let mut known: BTreeMap<Shape, Option<f64>> = BTreeMap::new();
    let mut rows = Vec::new();
    for part in parts {
        for layer in part.layers(batch) {
            let shape = (kind_words(layer.kind), layer.input, layer.output, layer.depth[0]);
            let alone = if let Some(own) = known.get(&shape) {
                *own
            } else {
                let own = alone(&layer, sweep, plan, device)?;
                known.insert(shape, own);
                own
            };
            let (flop, bytes) = (layer.flop(), layer.bytes(sweep.precision.bytes()));
            let (bound, bound_by) = roof.bound(flop, bytes);
            rows.push(LayerRow {
                part: part.name,
                copies: part.copies,
                layer,
                flop,
                bytes,
                bound_ms: 1e3 * bound,
                bound_by,
                alone_ms: alone,
                roofline_fraction: alone.map(|own| 1e3 * bound / own),
            });
        }
    }
    Ok(rows)
}

fn alone(layer: &Layer, sweep: &Sweep, plan: Plan, device: &Device) -> Result<Option<f64>, WorkError> {
    let Some(mut kernel) = Kernel::layer(layer, sweep.precision, device, sweep.seed)? else {
        return Ok(None);
    };
    let seconds = timing::rounds(plan, || kernel.run())?.concat();
    Ok(super::statistics::Summary::of(&seconds).map(|summary| 1e3 * summary.median))
}

/// A layer's kind in words.
pub fn kind_words(kind: Kind) -> String {
    match kind {
        Kind::Convolution { kernel, stride: 1 } => format!("{kernel}x{kernel}"),
        Kind::Convolution { kernel, stride } => format!("{kernel}x{kernel} / {stride}"),
        Kind::Patches { side } => format!("{side}x{side} patches"),
        Kind::Depthwise { kernel, stride: 1 } => format!("{kernel}x{kernel} depthwise"),
        Kind::Depthwise { kernel, stride } => format!("{kernel}x{kernel} / {stride} depthwise"),
        Kind::Upsampling => "up 2x2".to_owned(),
        Kind::Cube { kernel, stride: 1 } => format!("{kernel}x{kernel}x{kernel}"),
        Kind::Cube { kernel, stride } => format!("{kernel}x{kernel}x{kernel} / {stride}"),
        Kind::CubeUpsampling => "up 2x2x2".to_owned(),
        Kind::Linear => "linear".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::network::Architecture;

    fn sweep(batches: Vec<usize>) -> Sweep {
        let architecture = Architecture::preset("resnet18-28", 1, 2).unwrap();
        Sweep {
            subject: Subject::Network { name: "resnet18-28".to_owned(), architecture, side: 8 },
            batches,
            precision: Precision::F32,
            plan: Plan::new(2, 0.0),
            seed: 1,
            layers: true,
        }
    }

    #[test]
    fn a_sweep_measures_each_batch_and_each_layer() {
        let device = crate::device::open(crate::cli::DeviceArg::Cpu).unwrap();
        let roof = Roof { flop_per_second: 1e12, bytes_per_second: 1e11 };
        let swept = measure(&sweep(vec![1, 2]), roof, &device).unwrap();
        assert_eq!(swept.figures.len(), 2);
        let [one, two] = &swept.detail.batches[..] else { panic!("two batch sizes") };
        assert_eq!(2 * one.flop, two.flop, "doubled work is exactly double");
        assert_eq!(swept.detail.computed_by, "a plan for the CPU");
        assert_eq!(swept.detail.shader, None, "the CPU is given no kernels");
        assert!(one.images_per_second > 0.0 && one.first_ms > 0.0 && one.bound_ms > 0.0);
        let layers: u64 = swept.detail.layers.iter().map(|row| row.flop).sum();
        assert_eq!(layers, one.flop, "the layers of the first batch size make the whole");
        assert!(swept.detail.layers.iter().all(|row| row.alone_ms.is_some_and(|own| own > 0.0)));
    }

    #[test]
    fn the_bundles_parts_are_counted_with_their_copies() {
        let subject = Subject::Bundle(Box::new(models::Bundle::embedded().unwrap()));
        let parts = subject.parts();
        let (flop, _) = counted(&parts, 1, 4);
        let each = parts.iter().map(|part| {
            let layers = part.layers(1);
            part.copies as u64 * layers.iter().map(Layer::flop).sum::<u64>()
        });
        assert_eq!(flop, each.sum::<u64>());
    }
}
