//! Weights by name, as PyTorch's state dicts have them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

/// One tensor: its shape, and its values in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct StateTensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl StateTensor {
    /// `None` where the number of values is not the product of the shape.
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Option<Self> {
        let count = shape.iter().try_fold(1_usize, |count, side| count.checked_mul(*side))?;
        (count == values.len()).then_some(Self { shape, values })
    }

    /// The extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values in row-major order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// Tensors by name.
pub type StateDict = BTreeMap<String, StateTensor>;

/// Every tensor that keeps a state dict and a network apart.
#[derive(Debug, Clone, PartialEq, Eq, Default, thiserror::Error)]
pub struct Misfits {
    /// Tensors that the network has and the state dict lacks.
    pub missing: Vec<String>,
    /// Tensors that the state dict has and the network lacks.
    pub unknown: Vec<String>,
    /// Tensors of both with different shapes.
    pub misshapen: Vec<Misshapen>,
}

/// A tensor whose shape is not the network's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misshapen {
    /// The tensor's name.
    pub name: String,
    /// The shape in the network.
    pub wanted: Vec<usize>,
    /// The shape in the state dict.
    pub found: Vec<usize>,
}

impl Misfits {
    fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unknown.is_empty() && self.misshapen.is_empty()
    }
}

impl fmt::Display for Misfits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} tensors missing, {} unknown, {} of another shape",
            self.missing.len(),
            self.unknown.len(),
            self.misshapen.len()
        )?;
        for name in &self.missing {
            write!(f, "\n  missing: {}", name.escape_debug())?;
        }
        for name in &self.unknown {
            write!(f, "\n  unknown: {}", name.escape_debug())?;
        }
        for Misshapen { name, wanted, found } in &self.misshapen {
            let name = name.escape_debug();
            write!(f, "\n  other shape: {name} is {found:?} and has to be {wanted:?}")?;
        }
        Ok(())
    }
}

/// The device did not give weights back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the device did not return the weights ({reason})")]
pub struct ReadBack {
    /// What the device said.
    pub reason: String,
}

/// Puts every tensor of `state` into `module`, whose paths `rename` turns into the names of `state`.
pub(super) fn fill<M: Module>(
    module: M,
    state: &StateDict,
    rename: &dyn Fn(&str) -> String,
) -> Result<M, Misfits> {
    let mut fill = Fill { state, rename, path: Path::default(), used: 0, misfits: Misfits::default() };
    let module = module.map(&mut fill);
    let Fill { used, path, mut misfits, .. } = fill;
    if used < state.len() {
        misfits.unknown = state.keys().filter(|name| !path.seen.contains(*name)).cloned().collect();
    }
    if misfits.is_empty() { Ok(module) } else { Err(misfits) }
}

/// Every tensor of `module`, running statistics included.
pub(super) fn collect<M: Module>(module: &M, rename: &dyn Fn(&str) -> String) -> Result<StateDict, ReadBack> {
    let mut collect = Collect { rename, path: Path::default(), state: StateDict::new(), failed: None };
    module.visit(&mut collect);
    collect.failed.map_or(Ok(collect.state), Err)
}

/// Where a walk through a module stands.
#[derive(Default)]
struct Path {
    parts: Vec<(String, bool)>,
    seen: BTreeSet<String>,
}

impl Path {
    fn enter(&mut self, name: &str, container: &str) {
        // a variant of an enum is no part of a name
        let part = if container.starts_with("Enum:") { "" } else { name };
        self.parts.push((part.to_owned(), container == "Struct:Linear"));
    }

    fn exit(&mut self) {
        self.parts.pop();
    }

    /// PyTorch's name of the tensor here, and whether it is a linear layer's matrix, which Burn keeps transposed.
    fn name(&mut self, rename: &dyn Fn(&str) -> String) -> (String, bool) {
        let last = self.parts.len().saturating_sub(1);
        let parts: Vec<&str> = self
            .parts
            .iter()
            .enumerate()
            .map(|(index, (part, _))| match part.as_str() {
                "gamma" if index == last => "weight",
                "beta" if index == last => "bias",
                part => part,
            })
            .filter(|part| !part.is_empty())
            .collect();
        let matrix = self.parts.last().is_some_and(|(part, linear)| *linear && part == "weight");
        let name = rename(&parts.join("."));
        self.seen.insert(name.clone());
        (name, matrix)
    }
}

struct Fill<'a> {
    state: &'a StateDict,
    rename: &'a dyn Fn(&str) -> String,
    path: Path,
    used: usize,
    misfits: Misfits,
}

impl ModuleMapper for Fill<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (name, matrix) = self.path.name(self.rename);
        let own = param.val().dims();
        let mut wanted = own.to_vec();
        if matrix {
            wanted.reverse();
        }
        let Some(tensor) = self.state.get(&name) else {
            self.misfits.missing.push(name);
            return param;
        };
        self.used += 1;
        if tensor.shape != wanted {
            self.misfits.misshapen.push(Misshapen { name, wanted, found: tensor.shape.clone() });
            return param;
        }
        let values = if matrix { transposed(&tensor.values, &tensor.shape) } else { tensor.values.clone() };
        param.map(|old| Tensor::from_data(TensorData::new(values, own), &old.device()))
    }
}

struct Collect<'a> {
    rename: &'a dyn Fn(&str) -> String,
    path: Path,
    state: StateDict,
    failed: Option<ReadBack>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (name, matrix) = self.path.name(self.rename);
        let tensor = param.val();
        let mut shape = tensor.dims().to_vec();
        let read = tensor
            .try_into_data()
            .map_err(|error| format!("{error:?}"))
            .and_then(|data| data.try_to_vec::<f32>().map_err(|error| format!("{error:?}")));
        match read {
            Ok(mut values) => {
                if matrix {
                    values = transposed(&values, &shape);
                    shape.reverse();
                }
                self.state.insert(name, StateTensor { shape, values });
            }
            Err(reason) => self.failed = Some(ReadBack { reason }),
        }
    }
}

/// A matrix `[rows, columns]` as `[columns, rows]`.
fn transposed(values: &[f32], shape: &[usize]) -> Vec<f32> {
    let [rows, columns] = shape else { return values.to_vec() };
    (0..*columns).flat_map(|column| (0..*rows).map(move |row| values[row * columns + column])).collect()
}
