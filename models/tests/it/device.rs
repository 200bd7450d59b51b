//! The same small network on a wgpu adapter and on the CPU.

#[cfg(feature = "gpu")]
mod gpu {
    use models::device::ShadingLanguage;
    use models::{Device, DeviceChoice, DeviceError, GreyImage, Scorer};

    use crate::{parity, small};

    /// The largest difference of a logit or probability that passes.
    const TOLERANCE: f64 = 1e-3;

    #[test]
    fn a_wgpu_adapter_scores_as_the_cpu_does() {
        let gpu = match Device::open(DeviceChoice::Gpu) {
            Ok(gpu) => gpu,
            Err(error @ (DeviceError::NoAdapter | DeviceError::Open { .. })) => {
                eprintln!("skipped: {error}");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let language = gpu.shading_language().unwrap();
        assert!(ShadingLanguage::built().contains(&language), "{language:?} is not built");
        let bundle = small::trained().bundle();
        let pictures: Vec<GreyImage> = (0..3).map(small::picture).collect();
        let on = |device: &Device| Scorer::load(bundle, device).unwrap().score(&pictures).unwrap();
        let (a, b) = (on(&Device::open(DeviceChoice::Cpu).unwrap()), on(&gpu));
        let mut worst = 0.0_f64;
        for (a, b) in a.iter().zip(&b) {
            for (a, b) in a.findings.iter().zip(&b.findings) {
                worst = worst.max((a.logit - b.logit).abs()).max((a.probability - b.probability).abs());
            }
            worst = worst.max((a.chest.unwrap().frontal - b.chest.unwrap().frontal).abs());
        }
        eprintln!("largest difference between {} and the CPU: {worst:.2e}", gpu.description());
        assert!(worst < TOLERANCE, "{worst}");
    }

    /// Reference: torchvision, by way of the parity cases.
    #[test]
    fn a_wgpu_adapter_gives_what_torchvision_gives() {
        let gpu = match Device::open(DeviceChoice::Gpu) {
            Ok(gpu) => gpu,
            Err(error @ (DeviceError::NoAdapter | DeviceError::Open { .. })) => {
                eprintln!("skipped: {error}");
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let case = parity::cases().into_iter().find(|case| case.name == "narrow resnet").unwrap();
        let worst = parity::difference(&case, gpu.burn());
        eprintln!("largest difference between {} and torchvision: {worst:.2e}", gpu.description());
        assert!(worst < parity::TOLERANCE, "{worst}");
    }

    #[test]
    fn auto_takes_no_software_rasteriser() {
        let device = Device::open(DeviceChoice::Auto).unwrap();
        let name = device.description().to_lowercase();
        assert!(!name.contains("llvmpipe") && !name.contains("swiftshader"), "{name}");
    }
}

#[cfg(not(feature = "gpu"))]
#[test]
fn without_the_feature_a_gpu_is_refused() {
    let error = models::Device::open(models::DeviceChoice::Gpu).unwrap_err();
    assert_eq!(error.code(), "DeviceNotBuilt");
}
