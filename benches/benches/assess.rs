//! How long are a patient's risks: the formulas and the late fusion of the built-in models, and a model of a table with
//! pictures, whose second level (L2) is a network?

use criterion::{BenchmarkId, Criterion};
use fusion::learned::fused::{Embeddings, FusedConfig, FusedModel, Level, train_fused};
use fusion::learned::tabular::Table;
use models::{Device, DeviceChoice};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::study::Analysed;

/// A small model of made-up rows.
const CONFIG: &str = include_str!("assess.toml");
/// Patients of one row each.
const PATIENTS: usize = 400;

pub(crate) fn all(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let analysed = Analysed::new(&runtime);
    let scores = analysed.scores();
    let mut group = crate::group(criterion, "assess");
    for (name, record) in [("image alone", false), ("image and record", true)] {
        let input = analysed.assess_input(&scores, record);
        assert!(!fusion::assess(&input).is_empty(), "no risk");
        group.bench_function(BenchmarkId::new("risks of a report", name), |bench| {
            bench.iter(|| fusion::assess(&input));
        });
    }
    for (name, interact) in [("L1", false), ("L2", true)] {
        let (table, embeddings) = made_up(interact);
        let model = trained(&table, &embeddings, interact);
        let row = table.rows().next().expect("a row");
        let vector = embeddings.vector("p0");
        assert!(matches!(model.predict(row, vector), Ok(Some(_))), "no prediction");
        group.bench_function(BenchmarkId::new("row and picture", name), |bench| {
            bench.iter(|| model.predict(row, vector));
        });
    }
    group.finish();
}

fn trained(table: &Table, embeddings: &Embeddings, interact: bool) -> FusedModel {
    let mut config: FusedConfig = toml::from_str(CONFIG).expect("a configuration");
    if !interact {
        // late fusion is kept whatever the network has learned: nobody need wait for it
        (config.network.steps, config.network.seeds) = (10, 1);
    }
    let device = Device::open(DeviceChoice::Cpu).expect("the CPU");
    let trained = train_fused(&config, table, embeddings, device.burn(), &mut |_, _| {}).expect("a model");
    let wanted = if interact { Level::L2 } else { Level::L1 };
    assert!(trained.model.decision().keeps == wanted, "the made-up rows ask for another level");
    trained.model
}

/// The picture's vector carries one number, the record another; the outcome follows their sum, or, where they interact, their
/// product, which no sum of two logits can say.
fn made_up(interact: bool) -> (Table, Embeddings) {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let (mut vectors, mut rows) = (Vec::new(), Vec::new());
    for case in 0..PATIENTS {
        let [a, x, z, other, third] = [(); 5].map(|()| random.random_range(-1.0..1.0_f64));
        let odds = if interact { 9.0 * a * x + 0.8 * x } else { 2.5 * a + 2.0 * x };
        let sick = random.random_range(0.0..1.0) < 1.0 / (1.0 + (-odds).exp());
        #[expect(clippy::cast_possible_truncation, reason = "vectors are f32")]
        let vector = [3.0 * a + other, 2.0 * a, third, a - other].map(|own| own as f32);
        vectors.push((format!("p{case}"), vector.to_vec()));
        let label = u8::from(sick).to_string();
        rows.push(vec![format!("w{case}"), label, format!("{x:.4}"), format!("{z:.4}"), format!("p{case}")]);
    }
    let names = ["who", "y", "x", "z", "picture"].map(str::to_owned);
    (Table::new(&names, rows).expect("a table"), Embeddings::new(vectors).expect("vectors"))
}
