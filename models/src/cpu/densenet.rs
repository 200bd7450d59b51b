//! The plan of a DenseNet: each dense block is one map, into which each layer writes its channels.

use super::Ends;
use super::convolution::Before;
use super::map::Shape;
use super::sketch::{Id, Layer, Sketch};
use super::vector::Rectifier;
use crate::network::densenet::DensenetConfig;

pub(super) fn draw(sketch: &mut Sketch<'_>, config: &DensenetConfig, input: Id) -> Option<Ends> {
    let after = Some(sketch.norm("features.norm0")?);
    let rectifier = Rectifier::Zero;
    let stem = Layer { after, stride: 2, rectifier, ..Layer::plain("features.conv0") };
    let stem = sketch.layer(stem, input)?;
    let Shape { height, width, .. } = sketch.shapes[stem];
    let (mut height, mut width) = (super::pool::Largest::out(height), super::pool::Largest::out(width));
    let mut maps = stem;
    for (index, (channels, end)) in config.channels().into_iter().enumerate() {
        let block = sketch.map(Shape { height, width, channels: end, border: 0 });
        if index == 0 {
            sketch.largest(stem, block)?;
        } else {
            let name = format!("features.transition{index}");
            let affine = sketch.norm(&format!("{name}.norm"))?;
            let before = Some(Before { affine, halve: true });
            let conv = format!("{name}.conv");
            sketch.convolve(Layer { before, ..Layer::plain(&conv) }, maps, (block, 0))?;
        }
        let middle = config.bottleneck * config.growth;
        let narrow = sketch.map(Shape { height, width, channels: middle, border: 1 });
        for layer in 0..config.blocks[index] {
            let name = format!("features.denseblock{}.denselayer{}", index + 1, layer + 1);
            let part = |part: &str| format!("{name}.{part}");
            let before = Some(Before { affine: sketch.norm(&part("norm1"))?, halve: false });
            let after = Some(sketch.norm(&part("norm2"))?);
            let conv = part("conv1");
            let first = Layer { after, before, rectifier, ..Layer::plain(&conv) };
            sketch.convolve(first, block, (narrow, 0))?;
            let channel = channels + layer * config.growth;
            sketch.convolve(Layer::plain(&part("conv2")), narrow, (block, channel))?;
        }
        sketch.release(narrow);
        maps = block;
        (height, width) = (height / 2, width / 2);
    }
    let before = Some(sketch.norm("features.norm5")?);
    let (features, logits) = sketch.head(maps, before, "classifier")?;
    Some(Ends { maps, features, logits, head: "classifier" })
}
