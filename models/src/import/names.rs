//! Which tensor of a file is which tensor of a network.

use std::collections::{BTreeMap, BTreeSet};

use super::ImportError;
use crate::network::{Architecture, StateDict};

/// First parts of names that a training run writes beside the network's weights.
const ASIDE: [&str; 18] = [
    "optimizer",
    "optimizer_state",
    "optimizer_state_dict",
    "optimizer_states",
    "optim",
    "optim_dict",
    "scheduler",
    "scheduler_state_dict",
    "lr_scheduler",
    "lr_schedulers",
    "scaler",
    "scaler_state_dict",
    "grad_scaler",
    "amp",
    "callbacks",
    "loops",
    "hyper_parameters",
    "rng_state",
];

/// TorchXRayVision's buffer of operating points.
const OPERATING_POINTS: &str = "op_threshs";

/// The tensors of a file, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sorted {
    /// From the network's names to the file's.
    pub(super) found: BTreeMap<String, String>,
    /// Names in the file that are no tensor of the network.
    pub(super) unknown: Vec<String>,
    /// Names in the file that are no weights.
    pub(super) aside: Vec<String>,
    /// The name of TorchXRayVision's operating points.
    pub(super) operating_points: Option<String>,
    /// What the network's names begin with in the file.
    pub(super) prefix: String,
}

/// Sorts the names of a file.
pub(super) fn sort<'a>(
    names: impl Iterator<Item = &'a String>,
    wanted: &StateDict,
    architecture: &Architecture,
) -> Result<Sorted, ImportError> {
    let names: Vec<&String> = names.collect();
    let mut sorted = Sorted { prefix: prefix(&names, wanted, architecture)?, ..Sorted::default() };
    for name in names {
        let first = name.split('.').next().unwrap_or("");
        let own = name.strip_prefix(sorted.prefix.as_str());
        if let Some(target) = own.map(|own| alias(own, architecture)).filter(|own| wanted.contains_key(own)) {
            if sorted.found.insert(target.clone(), name.clone()).is_some() {
                return Err(ImportError::Twice { name: target });
            }
        } else if own == Some(OPERATING_POINTS) && matches!(architecture, Architecture::Densenet(_)) {
            sorted.operating_points = Some(name.clone());
        } else if name.ends_with("num_batches_tracked") || (own.is_none() && ASIDE.contains(&first)) {
            sorted.aside.push(name.clone());
        } else {
            sorted.unknown.push(name.clone());
        }
    }
    Ok(sorted)
}

/// What most of the network's names begin with in the file: nothing, `module.`, `state_dict.model.` and the like.
fn prefix(names: &[&String], wanted: &StateDict, architecture: &Architecture) -> Result<String, ImportError> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in names {
        let starts = std::iter::once(0).chain(name.match_indices('.').map(|(dot, _)| dot + 1));
        for start in starts {
            if wanted.contains_key(&alias(&name[start..], architecture)) {
                *counts.entry(&name[..start]).or_default() += 1;
            }
        }
    }
    let most = counts.values().copied().max().unwrap_or(0);
    let best: BTreeSet<&str> =
        counts.iter().filter(|(_, count)| **count == most).map(|(prefix, _)| *prefix).collect();
    // with one or two tensors a tie says nothing; with a whole network twice it does
    if best.len() > 1 && most > 2 {
        return Err(ImportError::Ambiguous { prefixes: best.iter().map(|p| format!("`{p}`")).collect() });
    }
    Ok(best.first().map(|prefix| (*prefix).to_owned()).unwrap_or_default())
}

/// Other packages' names of the same tensors, as the reference layout names them.
fn alias(name: &str, architecture: &Architecture) -> String {
    match architecture {
        // MedMNIST, after kuangliu/pytorch-cifar
        Architecture::Resnet(_) => match name.strip_prefix("linear.") {
            Some(rest) => format!("fc.{rest}"),
            None => name.replace(".shortcut.", ".downsample."),
        },
        Architecture::Densenet(_) => densenet_alias(name),
        Architecture::Residual(_)
        | Architecture::BasicUnet(_)
        | Architecture::Convnext(_)
        | Architecture::EfficientnetLite(_)
        | Architecture::Resnet3d(_)
        | Architecture::BasicUnet3d(_) => name.to_owned(),
    }
}

/// MONAI's names (`layers.` within a layer, `class_layers.out.`), and torchvision's before 0.3 (`norm.1`).
fn densenet_alias(name: &str) -> String {
    if let Some(rest) = name.strip_prefix("class_layers.out.") {
        return format!("classifier.{rest}");
    }
    if !name.contains(".denselayer") {
        return name.to_owned();
    }
    let mut name = name.replace(".layers.", ".");
    for (old, new) in
        [(".norm.1.", ".norm1."), (".norm.2.", ".norm2."), (".conv.1.", ".conv1."), (".conv.2.", ".conv2.")]
    {
        name = name.replace(old, new);
    }
    name
}
