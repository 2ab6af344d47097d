//! What only an RBM learns.

pub(super) mod discriminative;
