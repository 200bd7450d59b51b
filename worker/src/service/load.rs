//! What a job needs while it is carried, and how much memory that is.

use dicom_ingest::source::kept::Kept;

use super::arrival::Arrivals;
use super::budget::Share;
use super::fetch::{FetchError, Here, Located};
use super::spool::SpoolFolder;
use crate::lane::Lane;
use crate::pipeline::{MOST_KEPT_BYTES, Start};

/// How much memory a study takes at most, as a multiple of its files, which are counted as archives inflate: the bytes themselves,
/// decoded samples, grey values. Of the first of these three parts some is taken before a turn to decode comes: what is kept of the
/// files ([`MOST_KEPT_BYTES`]).
pub(super) const MEMORY_A_BYTE: u64 = 3;

/// What a job needs while it is carried: its study where it was read already, its files where they were fetched, its bytes.
#[derive(Debug)]
pub(super) struct Load {
    /// What its analysis begins with.
    pub start: Start,
    /// Its files, for as long as this lives.
    pub _spool: Option<SpoolFolder>,
    /// Its bytes, for as long as this lives.
    pub _share: Share,
}

/// As much memory as a study whose files have so many bytes takes at most.
pub(super) fn memory_of(bytes: u64) -> u64 {
    bytes.saturating_mul(MEMORY_A_BYTE)
}

/// Room for a study's files, out of what was taken for it.
pub(super) fn room_of(share: &Share) -> Kept {
    Kept::within((share.bytes() / MEMORY_A_BYTE).min(MOST_KEPT_BYTES))
}

impl Arrivals {
    /// What a job needs that reads nothing.
    pub(super) async fn no_load(&self, lane: Lane) -> Load {
        Load { start: Start::default(), _spool: None, _share: self.budget.take(0, lane).await }
    }

    /// The bytes are taken before a study is fetched.
    pub(super) async fn share_of(&self, located: &Located, lane: Lane) -> Share {
        self.budget.take(memory_of(located.bytes()), lane).await
    }

    /// Brings a study here for which a share was taken. Only now it is known what fetched archives inflate to: a share that is too
    /// small is given back before a larger one is waited for, so that who waits holds none.
    pub(super) async fn bring(
        &self,
        located: Located,
        lane: Lane,
        share: Share,
    ) -> Result<(Here, Share), FetchError> {
        let here = self.sources.bring(located).await?;
        let limits = self.flight.stages.reader.limits();
        let bytes = memory_of(here.fetched_bytes(limits, self.limits.max_study_bytes).await?);
        if bytes <= share.bytes() {
            return Ok((here, share));
        }
        drop(share);
        let share = self.budget.take(bytes, lane).await;
        Ok((here, share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_more_bytes_than_can_be_counted_take_all_memory() {
        assert_eq!(memory_of(u64::MAX / 2), u64::MAX);
        assert_eq!(memory_of(7), 7 * MEMORY_A_BYTE);
    }
}
