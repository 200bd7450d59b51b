//! Plans for the networks of an ensemble, and what they give for a batch.

use rayon::prelude::*;

use super::ensemble::{Ensemble, Inputs};
use super::readout::Reader;
use crate::bundle::selftest;
use crate::cpu::{Mismatch, Plan, ReadoutPlan};
use crate::network::{Architecture, Classifier, Network, NetworkConfig};

/// A plan for each network.
pub(super) struct Plans {
    findings: Vec<Plan>,
    frontal: Vec<Plan>,
    readout: Option<ReadoutPlan>,
}

/// Lists of values, and the sizes of the findings networks' maps.
pub(super) type Values = (Vec<Vec<f32>>, Vec<(usize, usize)>);

/// What a network's plan gives for a batch.
pub(super) struct Given {
    logits: Vec<f32>,
    pub(super) features: Vec<f32>,
    /// Class activation maps, `[batch, labels, height, width]`; empty for the frontal networks.
    maps: Vec<f32>,
    size: (usize, usize),
}

impl Plans {
    /// Plans that give the networks' numbers for the self-test's picture; `None` where one is not covered.
    pub(super) fn of(ensemble: &Ensemble) -> Result<Option<Self>, Mismatch> {
        let (manifest, device) = (&ensemble.manifest, &ensemble.device);
        let test = &manifest.self_test;
        let inputs = ensemble.inputs(&[selftest::picture(test.width, test.height)]).1;
        let plans = |networks: &[Network], config: &NetworkConfig, values: &[f32], labels| {
            let architecture = Architecture::Residual(config.clone());
            let one = |network: &Network| {
                let network = Classifier::Residual(network.clone());
                let (size, pictures) = ((config.input, config.input), (values, device.burn()));
                Plan::checked(&network, &architecture, size, labels, pictures)
            };
            networks.iter().map(one).collect::<Result<Option<Vec<Plan>>, Mismatch>>()
        };
        let architecture = &manifest.architecture;
        let labels = manifest.labels.len();
        let findings = plans(&ensemble.findings, &architecture.findings, &inputs.whole, labels)?;
        let frontal = plans(&ensemble.frontal, &architecture.frontal, &inputs.small, 0)?;
        let readout = match &ensemble.readout {
            Some(reader) => match reader.plan(&inputs.readout, device)? {
                Some(plan) => Some(plan),
                None => return Ok(None),
            },
            None => None,
        };
        Ok(findings.zip(frontal).map(|(findings, frontal)| Self { findings, frontal, readout }))
    }

    /// Logits, features and maps of each findings network, then logits of each frontal one, then what the readout's maps add;
    /// and the sizes of the findings networks' maps. `None` where a picture is none for them.
    pub(super) fn values(&self, inputs: &Inputs, reader: Option<&Reader>) -> Option<Values> {
        let findings = self.findings(&inputs.whole)?;
        let frontal = given(&self.frontal, &inputs.small)?;
        let read = match (reader, &self.readout) {
            (Some(reader), Some(plan)) => reader.planned(plan, &inputs.readout)?,
            _ => Vec::new(),
        };
        let sizes = findings.iter().map(|given| given.size).collect();
        let findings = findings.into_iter().flat_map(|given| [given.logits, given.features, given.maps]);
        let values = findings.chain(frontal.into_iter().map(|given| given.logits)).chain(read).collect();
        Some((values, sizes))
    }

    /// What the findings networks give, in their order; `None` where a picture is none for them.
    pub(super) fn findings(&self, pictures: &[f32]) -> Option<Vec<Given>> {
        given(&self.findings, pictures)
    }
}

/// What plans give for the same pictures, in the networks' order and side by side: one small network keeps less than two
/// cores busy.
fn given(plans: &[Plan], pictures: &[f32]) -> Option<Vec<Given>> {
    let given = plans.par_iter().map(|plan| {
        let seen = plan.forward(pictures)?;
        let mut given = Given { logits: Vec::new(), features: Vec::new(), maps: Vec::new(), size: (0, 0) };
        for seen in seen {
            given.logits.extend(seen.logits);
            given.features.extend(seen.features);
            given.maps.extend(seen.maps);
            given.size = seen.size;
        }
        Some(given)
    });
    given.collect()
}
