use super::*;
use crate::network::architecture::PRESETS;
use crate::network::efficientnet::EfficientnetLiteConfig;

fn sum(layers: &[Layer], of: impl Fn(&Layer) -> u64) -> u64 {
    layers.iter().map(of).sum()
}

/// Reference: `_ops` (multiply-adds in 10^9, three decimals) of torchvision 0.29's weights for 224 px.
#[test]
fn published_networks_have_their_published_multiply_adds() {
    let published =
        [("resnet18", 1.814), ("resnet50", 4.089), ("densenet121", 2.834), ("convnext-tiny", 4.456)];
    for (name, published) in published {
        let layers = layers(&Architecture::preset(name, 3, 1000).unwrap(), 1, 224, 224);
        let counted = sum(&layers, Layer::multiply_adds) as f64 / 1e9;
        assert!((counted - published).abs() < 0.000_6, "{name}: {counted}");
    }
}

/// Blocks 0 to 11 of Lite0 and what is read after three of them, counted from the whole network.
#[test]
fn a_readout_costs_the_blocks_up_to_its_last_and_one_layer() {
    let network = EfficientnetLiteConfig::lite0(1, 1000);
    let whole = layers(&Architecture::EfficientnetLite(network.clone()), 1, 224, 224);
    let config = ReadoutConfig { network, blocks: vec![6, 8, 11], cells: 3, outputs: 14 };
    let own = readout_layers(&config, 1, 224);
    let end = whole.iter().position(|layer| layer.name.starts_with("_blocks.12.")).unwrap();
    let (linear, blocks) = own.split_last().unwrap();
    assert_eq!(blocks, &whole[..end]);
    assert_eq!((linear.multiply_adds(), &*linear.name), (9 * (80 + 112 + 192) * 14, "linear"));
}

#[test]
fn twice_the_batch_is_exactly_twice_the_flop() {
    for name in PRESETS {
        let architecture = Architecture::preset(name, 1, 3).unwrap();
        let (one, two) = (layers(&architecture, 3, 64, 96), layers(&architecture, 6, 64, 96));
        assert_eq!(2 * sum(&one, Layer::flop), sum(&two, Layer::flop), "{name}");
        let weights = sum(&one, Layer::weights);
        let own = |layers: &[Layer]| sum(layers, |layer| layer.bytes(4)) - 4 * weights;
        assert_eq!(2 * own(&one), own(&two), "{name}: what is not weights doubles too");
    }
}

#[test]
fn twice_the_area_is_exactly_twice_the_flop_of_the_convolutions() {
    for name in PRESETS {
        let architecture = Architecture::preset(name, 1, 3).unwrap();
        let convs = |height| {
            let layers = layers(&architecture, 1, height, 64);
            sum(&layers, |layer| if layer.kind == Kind::Linear { 0 } else { layer.flop() })
        };
        assert_eq!(2 * convs(64), convs(128), "{name}");
    }
}

/// The kernels and matrices here are those of the network, whose number of weights is known from elsewhere.
#[test]
fn the_counted_layers_have_the_networks_weights() {
    for (name, others) in [("resnet18", 4 * 4_800 + 1000), ("resnet50", 4 * 26_560 + 1000)] {
        let architecture = Architecture::preset(name, 3, 1000).unwrap();
        let counted = sum(&layers(&architecture, 1, 224, 224), Layer::weights);
        assert_eq!(counted + others, architecture.weights(), "{name}: normalisations and a bias beside them");
    }
    // as many normalisations, and shortcuts with a bias, or none with weights
    for (name, others) in [("resnet18-3d", 4 * 4_800 + 896 + 1000), ("medicalnet-resnet18", 4 * 3_904 + 1000)]
    {
        let architecture = Architecture::preset(name, 3, 1000).unwrap();
        let counted = sum(&layers(&architecture, 1, 32, 32), Layer::weights);
        assert_eq!(counted + others, architecture.weights(), "{name}");
    }
    let others = |name| {
        let architecture = Architecture::preset(name, 1, 3).unwrap();
        architecture.weights() - sum(&layers(&architecture, 1, 32, 32), Layer::weights)
    };
    assert_eq!(others("basic-unet"), others("basic-unet-3d"), "normalisations and biases");
}

/// The first two by hand: 64 kernels of 7x7x7 at every place of 16x16x16, then 64 of 3x3x3 over 64 channels at 8x8x8.
#[test]
fn a_volume_is_counted_through_its_slices() {
    let architecture = Architecture::preset("resnet18-3d", 1, 2).unwrap();
    let layers = layers(&architecture, 2, 16, 16);
    assert_eq!(layers[0].multiply_adds(), 2 * 64 * 7 * 7 * 7 * 16 * 16 * 16);
    assert_eq!((layers[1].input, layers[1].depth), ([2, 64, 8, 8], [8, 8]));
    assert_eq!(layers[1].multiply_adds(), 2 * 64 * 64 * 27 * 8 * 8 * 8);
    assert_eq!(layers[1].bytes(1), 2 * 2 * 64 * 8 * 8 * 8 + 64 * 64 * 27);
    assert_eq!(layers.last().unwrap().depth, [1, 1]);
    assert_eq!(layers.len(), 21, "20 convolutions and a linear layer");
}

#[test]
fn each_layer_takes_what_comes_out_of_one_before_it() {
    let architecture = Architecture::preset("resnet50", 1, 2).unwrap();
    let layers = layers(&architecture, 2, 224, 224);
    assert_eq!(layers[0].output, [2, 64, 112, 112]);
    assert_eq!(layers[1].input, [2, 64, 56, 56]);
    assert_eq!(layers.last().unwrap().input, [2, 2048, 1, 1]);
    assert_eq!(layers.len(), 54, "53 convolutions and a linear layer");
}
