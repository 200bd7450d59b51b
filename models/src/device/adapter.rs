//! What a GPU adapter says of itself.

use serde::Serialize;

use super::ShadingLanguage;

/// An adapter as wgpu describes it; names and numbers as they come, for people who compare machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterFacts {
    /// The adapter's name.
    pub name: String,
    /// Discrete, integrated, virtual, or a processor.
    pub kind: String,
    /// PCI vendor id.
    pub vendor: u32,
    /// PCI device id.
    pub device: u32,
    /// The driver's name and version.
    pub driver: String,
    /// The API: Vulkan, Metal or Direct3D 12.
    pub api: String,
    /// What kernels are handed over as.
    pub shading_language: ShadingLanguage,
    /// Least and largest number of invocations of a subgroup.
    pub subgroup: (u32, u32),
    /// Optional features that the adapter has.
    pub features: Vec<String>,
    /// Limits that bound kernels, by wgpu's names.
    pub limits: Vec<(String, u64)>,
    /// Matrix sizes that the adapter multiplies in one instruction, as `m x n x k, types`.
    pub cooperative_matrices: Vec<String>,
}
