//! Which models are resident: pure bookkeeping of a budget. The least recently used one leaves first.

use crate::model::ModelNumber;

/// The resident models with what each takes, and the budget for all of them, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shelf {
    budget: u64,
    /// The least recently used one first.
    held: Vec<(ModelNumber, u64)>,
}

/// A model takes more than the whole budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge {
    /// The budget, in bytes.
    pub(super) budget: u64,
}

impl Shelf {
    pub(super) fn new(budget: u64) -> Self {
        Self { budget, held: Vec::new() }
    }

    /// Marks a model as used now; false where it is not resident.
    pub(super) fn touch(&mut self, model: ModelNumber) -> bool {
        let Some(place) = self.held.iter().position(|(held, _)| *held == model) else { return false };
        let used = self.held.remove(place);
        self.held.push(used);
        true
    }

    /// Takes out, least recently used first, what has to leave for a model of `bytes` to fit.
    pub(super) fn make_room(&mut self, bytes: u64) -> Result<Vec<ModelNumber>, TooLarge> {
        if bytes > self.budget {
            return Err(TooLarge { budget: self.budget });
        }
        let mut left = Vec::new();
        while self.taken().saturating_add(bytes) > self.budget && !self.held.is_empty() {
            left.push(self.held.remove(0).0);
        }
        Ok(left)
    }

    /// Puts a model there for which room was made.
    pub(super) fn put(&mut self, model: ModelNumber, bytes: u64) {
        self.held.push((model, bytes));
        debug_assert!(self.taken() <= self.budget, "room was made before");
    }

    /// Whether a model of `bytes` fits beside the resident ones.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        self.taken().saturating_add(bytes) <= self.budget
    }

    fn taken(&self) -> u64 {
        self.held.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_least_recently_used_one_leaves() {
        let [one, two, three] = [0, 1, 2].map(ModelNumber);
        let mut shelf = Shelf::new(10);
        shelf.put(one, 4);
        shelf.put(two, 4);
        assert!(shelf.touch(one) && !shelf.touch(three));
        assert_eq!(shelf.make_room(4), Ok(vec![two]));
        shelf.put(three, 4);
        assert!(shelf.has_room(2) && !shelf.has_room(3));
        assert_eq!(shelf.make_room(10), Ok(vec![one, three]), "in the order of their use");
        assert_eq!(shelf.make_room(11), Err(TooLarge { budget: 10 }), "and nothing leaves for it");
    }

    proptest! {
        #[test]
        fn the_budget_holds_and_the_last_used_stays(
            budget in 1_u64..100,
            sizes in proptest::collection::vec(1_u64..120, 1..6),
            uses in proptest::collection::vec(0_usize..6, 0..60),
        ) {
            let mut shelf = Shelf::new(budget);
            for used in uses {
                let model = ModelNumber(used % sizes.len());
                let bytes = sizes[model.0];
                if !shelf.touch(model) {
                    let before = shelf.clone();
                    if shelf.make_room(bytes).is_err() {
                        prop_assert!(bytes > budget);
                        prop_assert_eq!(&shelf, &before);
                        continue;
                    }
                    shelf.put(model, bytes);
                }
                prop_assert!(shelf.taken() <= budget);
                prop_assert_eq!(shelf.held.last(), Some(&(model, bytes)));
            }
        }
    }
}
