//! The counted FLOP of published networks against PyTorch's own counter; `reference/make_costs.py` made the numbers.

use models::bench::cost::{Layer, layers};
use models::network::Architecture;
use serde::Deserialize;

#[derive(Deserialize)]
struct Costs {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    /// Batch, channels, height, width.
    shape: [usize; 4],
    outputs: usize,
    flop: u64,
}

#[test]
fn flop_are_those_that_pytorch_counts() {
    let costs: Costs = serde_json::from_str(include_str!("../reference/costs.json")).unwrap();
    assert!(costs.cases.len() > 10);
    for Case { name, shape, outputs, flop } in costs.cases {
        let [batch, channels, height, width] = shape;
        let architecture = Architecture::preset(&name, channels, outputs).unwrap();
        let own: u64 = layers(&architecture, batch, height, width).iter().map(Layer::flop).sum();
        assert_eq!(own, flop, "{name} {shape:?}");
    }
}
