//! Pooling of volumes, which Burn 0.22 has for pictures only: a maximum over a cube is one over its faces, then over its
//! depth.

use burn::nn::PaddingConfig2d;
use burn::nn::pool::MaxPool2dConfig;
use burn::tensor::Tensor;

/// A cube that maxima are taken of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cube {
    /// Its side.
    pub(super) side: usize,
    /// Places between two of them.
    pub(super) stride: usize,
    /// Places around the volume, which are less than any value.
    pub(super) padding: usize,
}

/// The maxima: `[batch, channels, depth, height, width]` to the same with smaller sides.
pub(super) fn max_pool(maps: Tensor<5>, cube: Cube) -> Tensor<5> {
    let Cube { side, stride, padding } = cube;
    let pool = |sides: [usize; 2], strides, rows, columns| {
        let around = PaddingConfig2d::Explicit(rows, columns, rows, columns);
        MaxPool2dConfig::new(sides).with_strides(strides).with_padding(around).init()
    };
    let [batch, channels, depth, height, width] = maps.dims();
    let faces = maps.reshape([batch, channels * depth, height, width]);
    let faces = pool([side, side], [stride, stride], padding, padding).forward(faces);
    let [_, _, height, width] = faces.dims();
    let deep = faces.reshape([batch, channels, depth, height * width]);
    let deep = pool([side, 1], [stride, 1], padding, 0).forward(deep);
    let [_, _, depth, _] = deep.dims();
    deep.reshape([batch, channels, depth, height, width])
}

/// The mean over depth, height and width: `[batch, features, depth, height, width]` to `[batch, features]`.
pub(super) fn mean_of_maps(maps: Tensor<5>) -> Tensor<2> {
    let [batch, features, depth, height, width] = maps.dims();
    let flat = maps.reshape([batch, features, depth * height * width]);
    flat.mean_dim(2).reshape([batch, features]) // mean_dim keeps [batch, features, 1]
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn a_maximum_is_that_of_its_cube() {
        let (depth, height, width) = (4, 5, 3);
        let at = |d: usize, h: usize, w: usize| (((d * 31 + h * 17 + w * 7) % 23) as f32) - 30.0;
        let values: Vec<f32> = (0..depth * height * width)
            .map(|index| at(index / (height * width), index / width % height, index % width))
            .collect();
        let maps =
            Tensor::<5>::from_data(TensorData::new(values, [1, 1, depth, height, width]), &Device::flex());
        let pooled = max_pool(maps, Cube { side: 3, stride: 2, padding: 1 });
        assert_eq!(pooled.dims(), [1, 1, 2, 3, 2]);
        let found: Vec<f32> = pooled.into_data().try_to_vec().unwrap();
        let around = |centre: usize, most: usize| centre.saturating_sub(1)..(centre + 2).min(most);
        let mut expected = Vec::new();
        for d in [0, 2] {
            for h in [0, 2, 4] {
                for w in [0, 2] {
                    let cube = around(d, depth).flat_map(|d| {
                        around(h, height).flat_map(move |h| around(w, width).map(move |w| at(d, h, w)))
                    });
                    expected.push(cube.fold(f32::NEG_INFINITY, f32::max));
                }
            }
        }
        assert_eq!(found, expected, "values are all below 0: padding is less than any");
    }
}
