//! Where in the picture each label's score comes from, as coarse as a network's last feature maps.

use serde::{Deserialize, Serialize};

use super::saliency::scaled;
use crate::image::GreyImage;
use crate::preprocess::resize;

/// One coarse map a label: class activation maps (Zhou et al. 2016), exact for a mean followed by a linear layer. They come
/// with the scores and cost no forward pass of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelMaps {
    height: usize,
    width: usize,
    /// `[labels, height, width]`, as the networks give them: positive where the score is raised.
    values: Vec<f32>,
}

impl LabelMaps {
    /// The parts of the picture that raise the score of the label with this index, in a picture of `width` x `height`: 0
    /// where nothing raises it, 1 where it is raised most. `None` where there is no such label.
    pub fn of(&self, label: usize, width: usize, height: usize) -> Option<GreyImage> {
        let size = self.height.checked_mul(self.width)?;
        let own = self.values.get(label.checked_mul(size)?..label.checked_add(1)?.checked_mul(size)?)?;
        if own.is_empty() || width == 0 || height == 0 {
            return None;
        }
        Some(resize(&GreyImage::clamped(self.width, self.height, scaled(own)), width, height))
    }
}

/// The sum of the members' maps of one picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct MapSum {
    height: usize,
    width: usize,
    values: Vec<f32>,
}

impl MapSum {
    /// Adds one member's maps, `[labels, height, width]`.
    pub(super) fn add(&mut self, maps: &[f32], height: usize, width: usize) {
        (self.height, self.width) = (height, width);
        self.values.resize(maps.len(), 0.0);
        self.values.iter_mut().zip(maps).for_each(|(sum, value)| *sum += value);
    }

    /// These maps, the mean of `members`, at the rest of `share`, and `maps` of `side` x `side` beside them, which have the
    /// share. The mean of a map is what it adds to a logit; enlarging leaves it nearly as it is.
    pub(super) fn beside(&self, members: usize, maps: &[f32], side: usize, share: f32) -> Self {
        let rest = (1.0 - share) / members.max(1) as f32;
        let size = self.height * self.width;
        let own = self
            .values
            .chunks_exact(size.max(1))
            .flat_map(|own| crate::preprocess::resample(own, (self.height, self.width), (side, side)));
        let values = own.zip(maps).map(|(own, other)| rest * own + share * other).collect();
        Self { height: side, width: side, values }
    }

    pub(super) fn label_maps(&self) -> LabelMaps {
        LabelMaps { height: self.height, width: self.width, values: self.values.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_shows_what_raises_its_own_label() {
        let mut sum = MapSum::default();
        sum.add(&[0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0, 3.0], 2, 2);
        sum.add(&[0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 0.0, 1.0], 2, 2);
        let maps = sum.label_maps();
        assert_eq!(maps.of(0, 2, 2).unwrap().pixels(), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(maps.of(1, 2, 2).unwrap().pixels(), [0.0, 0.0, 0.0, 1.0], "what lowers it is cut off");
        let finer = sum.beside(2, &[8.0; 32], 4, 0.25).label_maps();
        let top = [2.0, 2.1875, 2.5625, 2.75];
        assert_eq!(finer.values[..4], top, "enlarged, and a quarter of the other map");
        assert_eq!((finer.height, finer.width, finer.values.len()), (4, 4, 32));
        let large = maps.of(0, 40, 30).unwrap();
        assert_eq!((large.width(), large.height()), (40, 30));
        assert!(
            maps.of(2, 2, 2).is_none() && maps.of(usize::MAX, 2, 2).is_none() && maps.of(0, 0, 1).is_none()
        );
        let sent = format!(r#"{{"height": {0}, "width": {0}, "values": [1.0]}}"#, 1_u64 << 40);
        let unlike: LabelMaps = serde_json::from_str(&sent).unwrap();
        assert!(unlike.of(0, 2, 2).is_none(), "sizes that a process cannot mean");
    }
}
