//! The queue worker: takes deliveries, carries each study through the stages beside others, and settles them.
