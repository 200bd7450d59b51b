//! Why a model says what it says: exact Shapley values over groups of inputs.
//!
//! With at most ten groups every one of the 2^G subsets is asked, so that the values are exact and add up to the difference
//! between everything known and nothing known.

/// Most groups: 1,024 evaluations.
pub const MAX_GROUPS: usize = 10;

/// Shapley values of `groups` groups. `value` is given which groups are known (bit g: group g) and says the model's logit
/// with the others at their reference. `None` for more than [`MAX_GROUPS`] groups or a value that is not finite.
pub fn shapley(groups: usize, mut value: impl FnMut(u32) -> f64) -> Option<Vec<f64>> {
    if groups > MAX_GROUPS {
        return None;
    }
    let values: Vec<f64> = (0..1_u32 << groups).map(&mut value).collect();
    if values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let weights = weights(groups);
    let of = |group: usize| -> f64 {
        let bit = 1_usize << group;
        (0..values.len())
            .filter(|known| known & bit == 0)
            .map(|known| weights[known.count_ones() as usize] * (values[known | bit] - values[known]))
            .sum()
    };
    Some((0..groups).map(of).collect())
}

/// `s! (G - s - 1)! / G!` for s known groups.
fn weights(groups: usize) -> Vec<f64> {
    let factorial = |number: usize| (1..=number).map(|factor| factor as f64).product::<f64>();
    (0..groups).map(|known| factorial(known) * factorial(groups - known - 1) / factorial(groups)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_game_by_hand() {
        // known in economics: two left gloves and one right one; a pair is worth 1
        let pair = |known: u32| f64::from(u8::from(known & 4 != 0 && known & 3 != 0));
        let found = shapley(3, pair).unwrap();
        for (found, expected) in found.iter().zip([1.0 / 6.0, 1.0 / 6.0, 2.0 / 3.0]) {
            assert!((found - expected).abs() < 1e-12, "{found}");
        }
        assert_eq!(shapley(11, |_| 0.0), None);
        assert_eq!(shapley(2, |_| f64::NAN), None);
        assert_eq!(shapley(0, |_| 3.0), Some(vec![]));
    }

    proptest! {
        #[test]
        fn the_values_add_up_to_the_difference(groups in 1_usize..7, seed in any::<u64>()) {
            let noise = |known: u32| {
                let mixed = (u64::from(known) + 1).wrapping_mul(seed | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                (mixed >> 40) as f64 / 1e5 - 50.0
            };
            let sum: f64 = shapley(groups, noise).unwrap().iter().sum();
            let all = (1_u32 << groups) - 1;
            prop_assert!((sum - (noise(all) - noise(0))).abs() < 1e-9);
        }
    }
}
