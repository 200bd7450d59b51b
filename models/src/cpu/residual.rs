//! The plans of residual networks: ResNet, and the networks of `cxr-findings`.

use super::Ends;
use super::map::Shape;
use super::pool::Largest;
use super::sketch::{Id, Layer, Sketch};
use super::vector::Rectifier;
use crate::network::NetworkConfig;
use crate::network::resnet::{BlockKind, ResnetConfig, Stem};

/// A convolution of a block: the names of weight and normalisation, and the stride.
struct Named {
    conv: String,
    norm: String,
    stride: usize,
}

impl Named {
    fn draw(&self, sketch: &mut Sketch<'_>, from: Id, rectifier: Rectifier, add: Option<Id>) -> Option<Id> {
        let after = Some(sketch.norm(&self.norm)?);
        let layer = Layer { after, stride: self.stride, rectifier, add, ..Layer::plain(&self.conv) };
        sketch.layer(layer, from)
    }
}

/// Convolutions one after the other, a shortcut around them, rectified at the end.
fn block(sketch: &mut Sketch<'_>, through: &[Named], shortcut: Option<&Named>, from: Id) -> Option<Id> {
    let around = match shortcut {
        Some(named) => named.draw(sketch, from, Rectifier::None, None)?,
        None => from,
    };
    let (last, before) = through.split_last()?;
    let mut maps = from;
    for named in before {
        let next = named.draw(sketch, maps, Rectifier::Zero, None)?;
        if maps != from {
            sketch.release(maps);
        }
        maps = next;
    }
    let out = last.draw(sketch, maps, Rectifier::Zero, Some(around))?;
    if maps != from {
        sketch.release(maps);
    }
    if around != from {
        sketch.release(around);
    }
    sketch.release(from);
    Some(out)
}

/// torchvision's ResNet, and MedMNIST's.
pub(super) fn resnet(sketch: &mut Sketch<'_>, config: &ResnetConfig, input: Id) -> Option<Ends> {
    let large = config.stem == Stem::Large;
    let stem = Named { conv: "conv1".into(), norm: "bn1".into(), stride: if large { 2 } else { 1 } };
    let mut maps = stem.draw(sketch, input, Rectifier::Zero, None)?;
    if large {
        let shape = sketch.shapes[maps];
        let (height, width) = (Largest::out(shape.height), Largest::out(shape.width));
        let pooled = sketch.map(Shape { height, width, ..shape });
        sketch.largest(maps, pooled)?;
        sketch.release(maps);
        maps = pooled;
    }
    let expansion = config.block.expansion();
    for (stage, blocks) in config.plan().iter().enumerate() {
        for (index, plan) in blocks.iter().enumerate() {
            let name = format!("layer{}.{index}", stage + 1);
            let named = |number: usize, stride: usize| Named {
                conv: format!("{name}.conv{number}"),
                norm: format!("{name}.bn{number}"),
                stride,
            };
            let through = match config.block {
                BlockKind::Basic => vec![named(1, plan.stride), named(2, 1)],
                BlockKind::Bottleneck => vec![named(1, 1), named(2, plan.stride), named(3, 1)],
            };
            let projects = plan.stride != 1 || plan.input != plan.width * expansion;
            let shortcut = projects.then(|| Named {
                conv: format!("{name}.downsample.0"),
                norm: format!("{name}.downsample.1"),
                stride: plan.stride,
            });
            maps = block(sketch, &through, shortcut.as_ref(), maps)?;
        }
    }
    let (features, logits) = sketch.head(maps, None, "fc")?;
    Some(Ends { maps, features, logits, head: "fc" })
}

/// Our compact residual network.
pub(super) fn compact(sketch: &mut Sketch<'_>, config: &NetworkConfig, input: Id) -> Option<Ends> {
    let stem = Named { conv: "stem".into(), norm: "stem_norm".into(), stride: 2 };
    let mut maps = stem.draw(sketch, input, Rectifier::Zero, None)?;
    let mut channels = config.stem;
    for (index, stage) in config.stages.iter().enumerate() {
        let named = |part: &str, stride: usize| Named {
            conv: format!("blocks.{index}.{part}"),
            norm: format!("blocks.{index}.{part}_norm"),
            stride,
        };
        let through = [named("first", stage.stride), named("second", 1)];
        let projects = channels != stage.channels || stage.stride != 1;
        let shortcut = projects.then(|| named("shortcut", stage.stride));
        maps = block(sketch, &through, shortcut.as_ref(), maps)?;
        channels = stage.channels;
    }
    let (features, logits) = sketch.head(maps, None, "head")?;
    Some(Ends { maps, features, logits, head: "head" })
}
