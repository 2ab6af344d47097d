//! What look-ups and active inputs both compute: fixed-point weights, summed where bits are on.

/// The bits of a block of inputs.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    /// From the first row's first word of the block on.
    pub(super) words: &'a [u64],
    /// Words from one row to the next.
    pub(super) stride: usize,
    /// Inputs that exist; bits beyond are zero.
    pub(super) inputs: usize,
    pub(super) rows: usize,
}

/// Slabs against the rows of a panel.
pub(super) struct SlabSums<'a> {
    /// `[BLOCK][WIDTH]`, or several of them.
    pub(super) slabs: &'a [i16],
    pub(super) step: f32,
    pub(super) bits: Bits<'a>,
    /// `step *` the sums is added to `WIDTH` floats of each row for each slab.
    pub(super) product: &'a mut [f32],
    pub(super) stride: usize,
}
