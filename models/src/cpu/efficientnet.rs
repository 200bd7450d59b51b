//! The plan of an EfficientNet-Lite.

use super::Ends;
use super::sketch::{Id, Layer, Sketch};
use super::vector::Rectifier;
use super::window::Padding;
use crate::network::efficientnet::{BlockPlan, EPSILON, EfficientnetLiteConfig};

pub(super) fn draw(sketch: &mut Sketch<'_>, config: &EfficientnetLiteConfig, input: Id) -> Option<Ends> {
    let mut maps = stem(sketch, input)?;
    for (index, plan) in config.plan().into_iter().enumerate() {
        let out = block(sketch, plan, index, maps)?;
        sketch.release(maps);
        maps = out;
    }
    let after = Some(sketch.norm_by("_bn1", EPSILON)?);
    let last = sketch.layer(Layer { after, ..six("_conv_head") }, maps)?;
    let (features, logits) = sketch.head(last, None, "_fc")?;
    Some(Ends { maps: last, features, logits, head: "_fc" })
}

/// The first convolution.
pub(super) fn stem(sketch: &mut Sketch<'_>, input: Id) -> Option<Id> {
    let after = Some(sketch.norm_by("_bn0", EPSILON)?);
    sketch.layer(Layer { after, stride: 2, padding: Some(Padding::Same), ..six("_conv_stem") }, input)
}

/// A convolution whose sums are rectified and end at 6.
fn six(name: &str) -> Layer<'_> {
    Layer { rectifier: Rectifier::Six, ..Layer::plain(name) }
}

/// The block with this number; what it reads is not given back.
pub(super) fn block(sketch: &mut Sketch<'_>, plan: BlockPlan, index: usize, from: Id) -> Option<Id> {
    let part = |part: &str| format!("_blocks.{index}.{part}");
    let mut wide = from;
    if plan.widens() {
        let (conv, after) = (part("_expand_conv"), Some(sketch.norm_by(&part("_bn0"), EPSILON)?));
        wide = sketch.layer(Layer { after, border: plan.kernel / 2, ..six(&conv) }, from)?;
    }
    let (conv, after) = (part("_depthwise_conv"), Some(sketch.norm_by(&part("_bn1"), EPSILON)?));
    let padding = Some(Padding::Same);
    let each = sketch.depthwise(Layer { after, stride: plan.stride, padding, ..six(&conv) }, wide)?;
    if wide != from {
        sketch.release(wide);
    }
    let (conv, after) = (part("_project_conv"), Some(sketch.norm_by(&part("_bn2"), EPSILON)?));
    let add = plan.keeps().then_some(from);
    let out = sketch.layer(Layer { after, add, ..Layer::plain(&conv) }, each)?;
    sketch.release(each);
    Some(out)
}
