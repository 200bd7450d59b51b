//! How long is a batch of pictures or volumes from this program's memory to a network's outputs in it, on the CPU, and on a
//! real GPU where there is one?

use chiasm_benches::size::sized;
use criterion::{BenchmarkId, Criterion, Throughput};
use models::bench::Precision;
use models::bench::forward::{Loaded, Subject};
use models::cpu::Computed;
use models::network::Architecture;
use models::{Bundle, Device, DeviceChoice};

/// Published name, and the side of its pictures where it is measured.
const NETWORKS: [(&str, usize); 7] = [
    ("resnet18", 224),
    ("resnet18-28", 28),
    ("resnet50", 224),
    ("densenet121", 224),
    ("convnext-tiny", 224),
    ("efficientnet-lite0", 224),
    ("basic-unet", 128),
];
/// The same of networks for volumes, which are cubes; about 30 GFLOP each.
const VOLUMES: [(&str, usize); 3] = [("resnet18-3d", 48), ("medicalnet-resnet18", 96), ("basic-unet-3d", 48)];
const SEED: u64 = 1;

pub(crate) fn all(criterion: &mut Criterion) {
    let mut group = crate::group(criterion, "score");
    let pictures: Vec<usize> = sized(vec![1, 8], vec![1]);
    for device in devices() {
        let on = if device.is_gpu() { ", GPU" } else { "" };
        let sides = NETWORKS.map(|own| (own, pictures.clone())).into_iter();
        for ((name, side), batches) in sides.chain(VOLUMES.map(|own| (own, vec![1]))) {
            let architecture = Architecture::preset(name, 1, 14).expect("an architecture");
            let subject = Subject::Network { name: name.to_owned(), architecture, side: sized(side, 32) };
            sweep(&mut group, &format!("{name}{on}"), &subject, &device, &batches);
        }
        let bundle = Subject::Bundle(Box::new(Bundle::embedded().expect("the bundle")));
        sweep(&mut group, &format!("built-in bundle{on}"), &bundle, &device, &pictures);
    }
    group.finish();
}

/// The CPU, and a real GPU where there is one.
fn devices() -> Vec<Device> {
    let cpu = Device::open(DeviceChoice::Cpu).expect("the CPU");
    let gpu = Device::open(DeviceChoice::Auto).ok().filter(Device::is_gpu);
    [Some(cpu), gpu].into_iter().flatten().collect()
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn sweep(group: &mut Group<'_>, name: &str, subject: &Subject, device: &Device, batches: &[usize]) {
    let loaded = Loaded::new(subject, Precision::F32, device, SEED).expect("the network");
    if loaded.computed() == Computed::Plan && matches!(subject, Subject::Network { .. }) {
        // as it serves, and beside it one picture by Burn's module: a batch there takes as many times as long
        each(group, name, &loaded, batches);
        each(group, &format!("{name}, flex"), &loaded.by_burn(), &batches[..1]);
    } else {
        each(group, name, &loaded, batches);
    }
}

fn each(group: &mut Group<'_>, name: &str, loaded: &Loaded, batches: &[usize]) {
    for batch in batches {
        group.throughput(Throughput::Elements(*batch as u64));
        let mut work = loaded.batches(*batch, SEED);
        group.bench_function(BenchmarkId::new(name, batch), |bench| {
            bench.iter(|| work.run().expect("outputs"));
        });
    }
}
