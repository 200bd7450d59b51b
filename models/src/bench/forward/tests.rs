use super::*;
use crate::DeviceChoice;

fn network(name: &str, side: usize) -> Subject {
    Subject::Network { name: name.to_owned(), architecture: Architecture::preset(name, 1, 3).unwrap(), side }
}

#[test]
fn every_architecture_runs_in_the_precisions_that_the_cpu_has() {
    let device = Device::open(DeviceChoice::Cpu).unwrap();
    for (name, outputs) in [("resnet18", 3), ("densenet121", 3), ("basic-unet", 3 * 32 * 32)] {
        let subject = network(name, 32);
        for precision in [Precision::F32, Precision::F16] {
            let loaded = Loaded::new(&subject, precision, &device, 1).unwrap();
            assert_eq!(loaded.batches(2, 1).run().unwrap(), 2 * outputs, "{name} {precision:?}");
        }
    }
}

#[test]
fn a_batch_that_cannot_be_held_is_refused_before_anything_is_made() {
    let code =
        |name, side, batch| network(name, side).check_batch(batch).err().map(|error: WorkError| error.code());
    for name in ["resnet18-3d", "basic-unet-3d"] {
        assert_eq!(code(name, 4096, 1024), Some("BenchValues"), "{name}: petabytes");
        assert_eq!(code(name, 128, 4), None, "{name}");
    }
    assert_eq!(code("densenet121", 4096, 1024), Some("BenchValues"));
    assert_eq!(
        code("resnet50", usize::MAX >> 8, usize::MAX),
        Some("BenchValues"),
        "more than can be counted"
    );
    for name in ["resnet50", "densenet121", "convnext-tiny"] {
        assert_eq!(code(name, 224, 1024), None, "{name}");
    }
    let bundle = Subject::Bundle(Box::new(Bundle::embedded().unwrap()));
    assert!(bundle.check_batch(1024).is_ok());
}

/// A volume of a network that has a last layer, of one that has none, and of one that outlines.
#[test]
fn networks_for_volumes_run_on_cubes_and_every_voxel_counts() {
    let device = Device::open(DeviceChoice::Cpu).unwrap();
    let architecture = Architecture::preset("medicalnet-resnet18", 1, 0).unwrap();
    let backbone = Subject::Network { name: "medicalnet-resnet18".to_owned(), architecture, side: 8 };
    for precision in [Precision::F32, Precision::F16] {
        let loaded = Loaded::new(&network("resnet18-3d", 8), precision, &device, 1).unwrap();
        assert_eq!(loaded.computed(), Computed::Burn);
        assert_eq!(loaded.batches(2, 1).run().unwrap(), 2 * 3, "{precision:?}");
        let loaded = Loaded::new(&backbone, precision, &device, 1).unwrap();
        assert_eq!(loaded.batches(1, 1).run().unwrap(), 512, "{precision:?}");
    }
    let loaded = Loaded::new(&network("basic-unet-3d", 32), Precision::F32, &device, 1).unwrap();
    assert_eq!(loaded.batches(1, 1).run().unwrap(), 3 * 32 * 32 * 32);
    assert_eq!(
        Loaded::new(&network("basic-unet-3d", 16), Precision::F32, &device, 1).err().unwrap().code(),
        "BenchSide"
    );
}

/// 120 convolutions one after the other, without statistics that would hold their values together.
#[test]
fn a_deep_network_of_drawn_weights_stays_in_the_range_of_f16() {
    let device = Device::open(DeviceChoice::Cpu).unwrap();
    let architecture = Architecture::preset("densenet121", 3, 1000).unwrap();
    let subject = Subject::Network { name: "densenet121".to_owned(), architecture, side: 64 };
    let loaded = Loaded::new(&subject, Precision::F16, &device, 1).unwrap();
    assert_eq!(loaded.batches(1, 1).run().unwrap(), 1000);
}

#[test]
fn the_built_in_bundle_runs_with_all_of_its_networks_counted() {
    let device = Device::open(DeviceChoice::Cpu).unwrap();
    let subject = Subject::Bundle(Box::new(Bundle::embedded().unwrap()));
    let loaded = Loaded::new(&subject, Precision::F32, &device, 1).unwrap();
    assert_eq!(loaded.batches(2, 1).run().unwrap(), 2);
    let parts = subject.parts();
    assert_eq!(parts.iter().map(|part| part.name).collect::<Vec<_>>(), ["findings", "frontal", "readout"]);
    for part in parts {
        assert_eq!(part.copies, if part.name == "readout" { 1 } else { 7 });
        assert!(!part.layers(1).is_empty());
    }
    assert!(Loaded::new(&subject, Precision::F16, &device, 1).is_err());
}

/// The weights of a file are those that compute: the same network gives the same outputs.
#[test]
fn given_weights_compute_and_what_does_not_fit_is_refused() {
    let device = Device::open(DeviceChoice::Cpu).unwrap();
    let architecture = Architecture::preset("resnet18-28", 1, 3).unwrap();
    let mut generator = ChaCha8Rng::seed_from_u64(1);
    let network = Classifier::new(&architecture, &mut generator, device.burn()).unwrap();
    let state = network.state().unwrap();
    let loaded = Loaded::of_weights(&architecture, 8, &state, &device).unwrap();
    let pictures = values(2 * 64, &mut generator);
    let tensor: Tensor<4> = Tensor::from_data(TensorData::new(pictures.clone(), [2, 1, 8, 8]), device.burn());
    let wanted = numbers(network.forward(tensor).logits).unwrap();
    assert_eq!(loaded.computed(), Computed::Plan);
    for (found, wanted) in loaded.outputs(pictures.clone()).unwrap().iter().zip(&wanted) {
        assert!((found - wanted).abs() <= 1e-4 * wanted.abs().max(1.0), "{found} {wanted}");
    }
    let loaded = loaded.by_burn();
    assert_eq!(loaded.computed(), Computed::Burn);
    assert_eq!(loaded.outputs(pictures.clone()).unwrap(), wanted);
    assert_eq!(loaded.outputs(pictures[1..].to_vec()).unwrap_err().code(), "BenchWeights");
    assert_eq!(loaded.outputs(Vec::new()).unwrap_err().code(), "BenchWeights");
    let other = Architecture::preset("resnet18-28", 1, 4).unwrap();
    assert_eq!(Loaded::of_weights(&other, 8, &state, &device).err().unwrap().code(), "BenchWeights");
    let unet = Architecture::preset("basic-unet", 1, 3).unwrap();
    assert_eq!(Loaded::of_weights(&unet, 32, &state, &device).err().unwrap().code(), "BenchWeights");
}

#[test]
fn a_picture_that_is_too_small_is_refused() {
    let device = Device::open(DeviceChoice::Cpu).unwrap();
    let subject = network("densenet121", 16);
    let error = Loaded::new(&subject, Precision::F32, &device, 1).err().unwrap();
    assert_eq!(error.code(), "BenchSide");
}
