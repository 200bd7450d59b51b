//! How long is a batch of pictures from this program's memory to a network's outputs in it, on the CPU?

use chiasm_benches::size::sized;
use criterion::{BenchmarkId, Criterion, Throughput};
use models::bench::Precision;
use models::bench::forward::{Loaded, Subject};
use models::cpu::Computed;
use models::network::Architecture;
use models::{Bundle, Device, DeviceChoice};

/// Published name, and the side of its pictures where it is measured.
const NETWORKS: [(&str, usize); 5] =
    [("resnet18", 224), ("resnet18-28", 28), ("resnet50", 224), ("densenet121", 224), ("basic-unet", 128)];
const SEED: u64 = 1;

pub(crate) fn all(criterion: &mut Criterion) {
    let device = Device::open(DeviceChoice::Cpu).expect("the CPU");
    let mut group = crate::group(criterion, "score");
    for (name, side) in NETWORKS {
        let architecture = Architecture::preset(name, 1, 14).expect("an architecture");
        let subject = Subject::Network { name: name.to_owned(), architecture, side: sized(side, 32) };
        sweep(&mut group, name, &subject, &device);
    }
    let bundle = Subject::Bundle(Box::new(Bundle::embedded().expect("the bundle")));
    sweep(&mut group, "built-in bundle", &bundle, &device);
    group.finish();
}

type Group<'a> = criterion::BenchmarkGroup<'a, criterion::measurement::WallTime>;

fn sweep(group: &mut Group<'_>, name: &str, subject: &Subject, device: &Device) {
    let loaded = Loaded::new(subject, Precision::F32, device, SEED).expect("the network");
    if loaded.computed() == Computed::Plan && matches!(subject, Subject::Network { .. }) {
        // as it serves, and beside it the same by Burn's module
        batches(group, name, &loaded);
        batches(group, &format!("{name}, flex"), &loaded.by_burn());
    } else {
        batches(group, name, &loaded);
    }
}

fn batches(group: &mut Group<'_>, name: &str, loaded: &Loaded) {
    for batch in sized(vec![1_usize, 8], vec![1]) {
        group.throughput(Throughput::Elements(batch as u64));
        let mut work = loaded.batches(batch, SEED);
        group.bench_function(BenchmarkId::new(name, batch), |bench| {
            bench.iter(|| work.run().expect("outputs"));
        });
    }
}
