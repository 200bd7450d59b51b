//! Opening a wgpu adapter without a panic where there is none.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use burn::tensor::wgpu::{WgpuSetup, wgpu};
use burn::tensor::{DeviceKind, FloatDType};

use super::adapter::AdapterFacts;
use super::{Device, DeviceError, ShadingLanguage};

/// Which adapters are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Adapters {
    /// Any, software rasterisers included.
    Any,
    /// Discrete, integrated and virtual GPUs only.
    Real,
}

pub(super) fn open(adapters: Adapters) -> Result<Device, DeviceError> {
    let found = infos();
    let mut refused = None;
    for kind in kinds(&found, adapters) {
        match burn::tensor::Device::wgpu_options().device_kind(kind).init_with_setup() {
            Ok((inner, setup)) => return Ok(describe(inner, &setup)),
            Err(error) => refused = Some(error.to_string()),
        }
    }
    let first = found.into_iter().find(|info| accepts(adapters, info.device_type));
    match (first, refused) {
        (Some(info), Some(reason)) => Err(DeviceError::Open { adapter: info.name, reason }),
        _ => Err(DeviceError::NoAdapter),
    }
}

/// The kinds that have an adapter, best first.
fn kinds(found: &[wgpu::AdapterInfo], adapters: Adapters) -> Vec<DeviceKind> {
    let types: Vec<wgpu::DeviceType> = found.iter().map(|info| info.device_type).collect();
    let wanted = [
        (wgpu::DeviceType::DiscreteGpu, DeviceKind::DiscreteGpu(0)),
        (wgpu::DeviceType::IntegratedGpu, DeviceKind::IntegratedGpu(0)),
        (wgpu::DeviceType::VirtualGpu, DeviceKind::VirtualGpu(0)),
        (wgpu::DeviceType::Cpu, DeviceKind::Cpu),
    ];
    wanted
        .into_iter()
        .filter(|(kind, _)| types.contains(kind) && accepts(adapters, *kind))
        .map(|(_, kind)| kind)
        .collect()
}

fn accepts(adapters: Adapters, kind: wgpu::DeviceType) -> bool {
    match kind {
        wgpu::DeviceType::DiscreteGpu | wgpu::DeviceType::IntegratedGpu | wgpu::DeviceType::VirtualGpu => {
            true
        }
        wgpu::DeviceType::Cpu => adapters == Adapters::Any,
        wgpu::DeviceType::Other => false,
    }
}

/// The adapters of the APIs that compute well; OpenGL is not asked, which would write to standard error without a display.
fn infos() -> Vec<wgpu::AdapterInfo> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    let search = pin!(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    // outside the browser the answer is there at once
    match search.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(found) => found.iter().map(wgpu::Adapter::get_info).collect(),
        Poll::Pending => Vec::new(),
    }
}

fn describe(inner: burn::tensor::Device, setup: &WgpuSetup) -> Device {
    let info = setup.adapter.get_info();
    let driver = [info.driver.as_str(), info.driver_info.as_str()].join(" ");
    let driver = if driver.trim().is_empty() { "driver not stated" } else { driver.trim() };
    let language = language(&inner);
    let spoken = match language {
        ShadingLanguage::Wgsl => String::new(),
        ShadingLanguage::SpirV => format!(", {}", language.as_str()),
    };
    let description = format!("{} (wgpu, {}{spoken}, {driver})", info.name, info.backend);
    let opened = setup.device.clone();
    let allocated = move || opened.generate_allocator_report().map(|report| report.total_allocated_bytes);
    let adapter = Some(std::sync::Arc::new(facts(&info, driver, language, &setup.adapter)));
    Device { inner, description, is_gpu: true, allocated: Some(std::sync::Arc::new(allocated)), adapter }
}

/// What Burn compiles to for this device, told by a type that only its compiler to WGSL has (cubecl-wgpu 0.11.3,
/// `register_wgsl_features`); the compiler itself is not asked for through Burn.
fn language(device: &burn::tensor::Device) -> ShadingLanguage {
    if cfg!(feature = "spirv") && !device.supports_dtype(FloatDType::Flex32) {
        ShadingLanguage::SpirV
    } else {
        ShadingLanguage::Wgsl
    }
}

fn facts(
    info: &wgpu::AdapterInfo,
    driver: &str,
    shading_language: ShadingLanguage,
    adapter: &wgpu::Adapter,
) -> AdapterFacts {
    let limits = adapter.limits();
    let named = [
        ("max_buffer_size", limits.max_buffer_size),
        ("max_storage_buffer_binding_size", limits.max_storage_buffer_binding_size),
        ("max_storage_buffers_per_shader_stage", limits.max_storage_buffers_per_shader_stage.into()),
        ("max_compute_workgroup_storage_size", limits.max_compute_workgroup_storage_size.into()),
        ("max_compute_invocations_per_workgroup", limits.max_compute_invocations_per_workgroup.into()),
        ("max_compute_workgroup_size_x", limits.max_compute_workgroup_size_x.into()),
        ("max_compute_workgroups_per_dimension", limits.max_compute_workgroups_per_dimension.into()),
    ];
    let cooperative = adapter.cooperative_matrix_properties().into_iter().map(|own| {
        let (m, n, k) = (own.m_size, own.n_size, own.k_size);
        format!("{m} x {n} x {k}, {:?} to {:?}", own.ab_type, own.cr_type)
    });
    AdapterFacts {
        name: info.name.clone(),
        kind: format!("{:?}", info.device_type),
        vendor: info.vendor,
        device: info.device,
        driver: driver.to_owned(),
        api: info.backend.to_string(),
        shading_language,
        subgroup: (info.subgroup_min_size, info.subgroup_max_size),
        features: adapter.features().iter_names().map(|(name, _)| name.to_owned()).collect(),
        limits: named.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        cooperative_matrices: cooperative.collect(),
    }
}
