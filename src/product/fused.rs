//! The panel loop: a tile of products into scratch, its tail while it is in cache; tiles in
//! parallel.

use super::{
    Direction, Term,
    dense::{Operand, Provider, multiply, provider},
    expand::expand,
    few,
    quantize::{BLOCK, WIDTH},
    real::Fractions,
    region::{PANEL_ROWS, Region},
    registers::{self, Indices},
    tail::Tail,
};
use crate::{
    bits::WORD_BITS,
    error::{Error, Result},
    kernel::epilogue::{Epilogue, SoftplusSums},
    matrix::{Aligned, Matrix, MatrixView, aligned},
    simd::dispatch,
    states::Input,
    threads::{self, Parts, in_pool},
};
use std::{cell::RefCell, ops::Range};

/// Columns of a tile: two words of bits.
const TILE_COLUMNS: usize = 2 * WORD_BITS;
/// Tiles for each thread, where columns can be split for them.
const TILES_A_THREAD: usize = 2;
/// Inputs that are expanded from bits at a time: a multiple of a word.
const EXPAND_COLUMNS: usize = few::BLOCK_INPUTS;
/// Those of a tile of few rows, which one thread computes: long pieces of rows of weights.
const FEW_ROWS_COLUMNS: usize = 8 * TILE_COLUMNS;
/// Products of more rows than this are not little, whatever they are of.
const FEW_ROWS: usize = 64;
/// Inputs that cost about as much as the tail of a unit.
const TAIL_COST: usize = 16;
/// How much an input of a dense product of few rows costs beside one that is added: its weights are
/// packed first.
const PACKING_COST: usize = 4;
/// Multiply-adds in the time of a unit of [`threads::is_little`].
const MULTIPLY_ADDS: usize = 64;

/// Buffers of [`propagate`] that are kept between calls, so that a call allocates nothing once they
/// have grown.
#[derive(Clone, Debug, Default)]
pub struct Propagation {
    softplus: Vec<f64>,
    columns: Vec<f64>,
    indices: Indices,
    /// Real inputs of each term as integers, where they are taken so.
    fractions: Vec<Fractions>,
    /// Inputs of a layer that needs a pass of its own over them.
    pub(crate) input: Option<Matrix>,
    /// What neighbors receive of states whose variance is not 1.
    pub(crate) scaled: Option<Matrix>,
    /// Biases that count more than once.
    pub(crate) added: Option<Matrix>,
}

thread_local! {
    static BUFFERS: RefCell<Propagation> = RefCell::new(Propagation::default());
}

impl Propagation {
    /// `work` with the buffers of this thread, which live as long as it does: new ones if they are
    /// in use further up.
    pub(crate) fn of_thread<R>(work: impl FnOnce(&mut Self) -> R) -> R {
        BUFFERS.with(|buffers| match buffers.try_borrow_mut() {
            Ok(mut buffers) => work(&mut buffers),
            Err(_) => work(&mut Self::default()),
        })
    }
}

/// Scratch of one thread.
struct FusedScratch {
    product: Aligned<f32>,
    expanded: Aligned<f32>,
    bias: [f32; FEW_ROWS_COLUMNS],
    registers: registers::Scratch,
}

thread_local! {
    static SCRATCH: RefCell<FusedScratch> = RefCell::new(FusedScratch {
        product: aligned(0, 0.0),
        expanded: aligned(0, 0.0),
        bias: [0.0; FEW_ROWS_COLUMNS],
        registers: registers::Scratch::new(),
    });
}

/// Grows this thread's buffers.
pub(super) fn warm_up() {
    SCRATCH.with_borrow_mut(FusedScratch::grow);
}

impl FusedScratch {
    fn grow(&mut self) {
        self.product.resize(
            (PANEL_ROWS * TILE_COLUMNS).max(registers::MAX_ROWS * WORD_BITS),
            0.0,
        );
        self.expanded.resize(PANEL_ROWS * EXPAND_COLUMNS, 0.0);
    }
}

/// The operands that all tiles share.
struct Job<'a> {
    terms: &'a [Term<'a>],
    bias: &'a [f32],
    /// Whether the calling thread does all of it.
    is_alone: bool,
    beta: f32,
    input_from: usize,
    minus_beta: Option<f32>,
    added: Option<MatrixView<'a>>,
    /// The inputs of all terms, if they are looked up in registers.
    indices: Option<&'a Indices>,
    /// The inputs of each term, where they are taken as integers.
    fractions: &'a [Fractions],
}

/// Computes a layer from its neighbors: `tail(sum_t X_t op(W_t) + added + bias)`. Cost: one dense
/// product a term.
///
/// # Errors
/// [`Error::Shape`] where terms, bias and outputs disagree.
pub fn propagate(
    terms: &[Term<'_>],
    bias: &[f32],
    tail: Tail<'_>,
    buffers: &mut Propagation,
) -> Result<()> {
    let is_alone = threads::is_by_itself() || threads::is_little(work(terms, bias.len()));
    match is_alone {
        true => propagate_here(terms, bias, tail, buffers, true),
        false => in_pool(|| propagate_here(terms, bias, tail, buffers, false)),
    }
}

/// What a product costs, as [`threads::is_little`] counts. Of bits whose weights are added one by
/// one those that are on count, else all inputs.
fn work(terms: &[Term<'_>], columns: usize) -> usize {
    let rows = terms.first().map_or(0, |term| term.input.rows());
    if rows > FEW_ROWS {
        return usize::MAX;
    }
    let of_term = |term: &Term<'_>| match term.input {
        Input::Bits(x) if term.fixed.is_some() || few::takes(term, 0..rows).is_some() => {
            few::ones(x, 0..rows)
        }
        x => PACKING_COST * rows * x.columns(),
    };
    let inputs: usize = terms.iter().map(of_term).sum();
    (inputs + rows * TAIL_COST) * columns / MULTIPLY_ADDS
}

fn propagate_here(
    terms: &[Term<'_>],
    bias: &[f32],
    tail: Tail<'_>,
    buffers: &mut Propagation,
    is_alone: bool,
) -> Result<()> {
    let columns = bias.len();
    let Some(rows) = terms.first().map(|t| t.input.rows()) else {
        return Err(Error::shape("terms of a product", "at least one", 0));
    };
    for term in terms {
        term.check(rows, columns)?;
    }
    tail.check(rows, columns)?;
    let groups = columns.div_ceil(WORD_BITS);
    let panels = rows.div_ceil(PANEL_ROWS);
    if tail.softplus_sums.is_some() {
        buffers.softplus.resize(groups * rows, 0.0);
    }
    if tail.column_sums.is_some() {
        buffers.columns.clear();
        buffers.columns.resize(panels * groups * WORD_BITS, 0.0);
    }
    let wide = registers::takes(rows) && terms.iter().all(|t| t.looked_up().is_some());
    if wide {
        let inputs = terms.iter().filter_map(|t| t.looked_up());
        buffers.indices.fill(inputs.map(|(x, _)| x));
    }
    take_fractions(&mut buffers.fractions, terms, is_alone);
    let job = Job {
        terms,
        bias,
        is_alone,
        beta: tail.beta,
        input_from: tail.input_from,
        minus_beta: tail.minus_beta,
        added: tail.added,
        indices: wide.then_some(&buffers.indices),
        fractions: &buffers.fractions,
    };
    job.fill(Region {
        rows: 0..rows,
        columns: 0..columns,
        input: tail.input,
        mean: tail.mean,
        sample: tail.sample,
        column_sums: tail.column_sums.is_some().then_some(&mut *buffers.columns),
        softplus: tail
            .softplus_sums
            .is_some()
            .then_some(&mut *buffers.softplus),
    });
    // Partial sums are added in the order of panels and groups, whoever computed them.
    if let Some(out) = tail.column_sums {
        let group_of = |k| if wide { k / panels } else { k % groups };
        add_columns(out, &buffers.columns, group_of);
    }
    if let Some(out) = tail.softplus_sums {
        let panel = if wide { rows } else { PANEL_ROWS };
        add_rows(out, &buffers.softplus, panel.max(1), groups);
    }
    Ok(())
}

/// Real inputs whose weights have fixed-point copies to integers, if all of a term are in [0, 1].
fn take_fractions(fractions: &mut Vec<Fractions>, terms: &[Term<'_>], is_alone: bool) {
    for (k, term) in terms.iter().enumerate() {
        if let (Input::Real(x), Some(_)) = (term.input, term.fixed) {
            if fractions.len() <= k {
                fractions.resize_with(k + 1, Fractions::default);
            }
            fractions[k].take(x, is_alone);
        } else if let Some(fractions) = fractions.get_mut(k) {
            fractions.leave();
        }
    }
}

/// `out` of the partial sums of words of columns, of which the `k`-th is of group `group_of(k)`: in
/// f64, rounded once.
fn add_columns(out: &mut [f32], partial: &[f64], group_of: impl Fn(usize) -> usize) {
    let (words, _) = partial.as_chunks::<WORD_BITS>();
    for (group, out) in out.chunks_mut(WORD_BITS).enumerate() {
        let of_group = |k: &usize| group_of(*k) == group;
        let mut sums = [0.0; WORD_BITS];
        for k in (0..words.len()).filter(of_group) {
            let all = sums.iter_mut().zip(&words[k]);
            all.for_each(|(sum, x)| *sum += x);
        }
        let all = out.iter_mut().zip(sums);
        all.for_each(|(out, sum)| *out = sum as f32);
    }
}

/// `out` of the partial sums of rows, `groups` of them for each panel of `panel` rows.
fn add_rows(out: &mut [f64], partial: &[f64], panel: usize, groups: usize) {
    out.fill(0.0);
    let partial = partial.chunks((groups * panel).max(1));
    for (out, partial) in out.chunks_mut(panel).zip(partial) {
        for group in partial.chunks_exact(out.len()) {
            for (out, x) in out.iter_mut().zip(group) {
                *out += x;
            }
        }
    }
}

impl Job<'_> {
    /// Fills a region, tile by tile, in parallel.
    fn fill(&self, region: Region<'_>) {
        if !region.rows.is_empty() && !region.columns.is_empty() {
            let tile = |region| SCRATCH.with_borrow_mut(|scratch| self.tile(region, scratch));
            let most = self.most(&region);
            let split = |region| self.split(region, most);
            let fill = || threads::divide(region, &split, &tile);
            match self.is_alone {
                true => threads::by_itself(true, fill),
                false => fill(),
            }
        }
    }

    /// Rows and columns of a tile at most. Of few rows tiles are narrow enough for all threads.
    fn most(&self, region: &Region<'_>) -> (usize, usize) {
        match self.indices {
            // Tables of a few outputs meet as many rows as possible while there is work for all.
            Some(_) => {
                let groups = region.columns.len().div_ceil(WORD_BITS);
                let parts = (TILES_A_THREAD * threads::count()).div_ceil(groups);
                let rows = (region.rows.len() / parts).next_multiple_of(PANEL_ROWS);
                (rows.clamp(PANEL_ROWS, registers::MAX_ROWS), WORD_BITS)
            }
            None if self.is_alone && region.rows.len() <= few::FEW_ROWS => {
                (PANEL_ROWS, FEW_ROWS_COLUMNS)
            }
            None => {
                let panels = region.rows.len().div_ceil(PANEL_ROWS);
                let tiles = panels * region.columns.len().div_ceil(TILE_COLUMNS);
                // The sums of other providers depend on the shape of a tile.
                let narrow = !self.is_alone && provider() == Provider::Native;
                match narrow && tiles < TILES_A_THREAD * threads::count() {
                    true => (PANEL_ROWS, WORD_BITS),
                    false => (PANEL_ROWS, TILE_COLUMNS),
                }
            }
        }
    }

    /// Both halves of a region that is more than a tile.
    fn split<'r>(
        &self,
        region: Region<'r>,
        (most_rows, most_columns): (usize, usize),
    ) -> Parts<Region<'r>> {
        let (rows, columns) = (region.rows.len(), region.columns.len());
        let columns_first = self.indices.is_some();
        if columns > most_columns && (columns_first || rows <= most_rows) {
            let tiles = columns.div_ceil(most_columns);
            let (a, b) = region.split_columns(tiles / 2 * most_columns);
            Parts::Two(a, b)
        } else if rows > most_rows {
            let tiles = rows.div_ceil(most_rows);
            let (a, b) = region.split_rows(tiles / 2 * (most_rows / PANEL_ROWS));
            Parts::Two(a, b)
        } else {
            Parts::One(region)
        }
    }

    fn tile(&self, region: Region<'_>, scratch: &mut FusedScratch) {
        let (rows, columns) = (region.rows.len(), region.columns.len());
        let stride = columns.next_multiple_of(WORD_BITS);
        scratch.grow();
        let product = &mut scratch.product[..rows * stride];
        if let Some(indices) = self.indices {
            let tile = registers::Tile {
                indices,
                rows: region.rows.clone(),
                outputs: columns,
                slab: |k, block| self.slab(region.columns.start + k * WIDTH, block),
            };
            match region.only_sample() {
                Some(draws) if draws.starts_block() && self.added.is_none() => {
                    let (sample, _) = region.sample.expect("the only output");
                    let bias = &self.bias[region.columns.clone()];
                    let first = region.columns.start;
                    tile.sample(
                        bias,
                        self.beta,
                        first,
                        sample,
                        draws,
                        &mut scratch.registers,
                    );
                    return;
                }
                _ => tile.write(product, stride, &mut scratch.registers),
            }
        } else {
            for (k, term) in self.terms.iter().enumerate() {
                add_product(
                    (term, k > 0, self.fractions.get(k)),
                    region.rows.clone(),
                    region.columns.clone(),
                    product,
                    stride,
                    &mut scratch.expanded,
                );
            }
        }
        if let Some(added) = self.added {
            for (i, sums) in region.rows.clone().zip(product.chunks_exact_mut(stride)) {
                let row = &added.row(i)[region.columns.clone()];
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
        }
        scratch.bias[..columns].copy_from_slice(&self.bias[region.columns.clone()]);
        self.finish(
            region,
            &scratch.product[..rows * stride],
            stride,
            &scratch.bias,
        );
    }

    /// The slab of `output ..` over a block of the inputs of all terms.
    fn slab(&self, output: usize, mut block: usize) -> registers::Slab<'_> {
        for term in self.terms {
            let (x, fixed) = term.looked_up().expect("every term is looked up");
            let blocks = x.columns().div_ceil(BLOCK);
            if block < blocks {
                return fixed.slab_of(term.direction, output, block, x.columns());
            }
            block -= blocks;
        }
        unreachable!("a block of no term");
    }

    /// The tail of a tile, panel by panel.
    fn finish(&self, region: Region<'_>, product: &[f32], stride: usize, bias: &[f32]) {
        if region.rows.len() > PANEL_ROWS {
            let (upper, lower) = region.split_rows(1);
            let (first, rest) = product.split_at(PANEL_ROWS * stride);
            self.finish(upper, first, stride, bias);
            return self.finish(lower, rest, stride, bias);
        }
        let (rows, columns) = (region.rows.len(), region.columns.len());
        dispatch(Epilogue {
            product,
            stride,
            rows,
            columns,
            first_column: region.columns.start,
            bias,
            beta: self.beta,
            input: region
                .input
                .filter(|_| region.columns.end > self.input_from),
            mean: region.mean,
            sample: region
                .sample
                .map(|(bits, draws)| (bits, draws.from_row(region.rows.start))),
            column_sums: region.column_sums,
            softplus: region.softplus.map(|partial| SoftplusSums {
                minus_beta: self.minus_beta,
                partial,
            }),
        });
    }
}

/// `product += X[rows] op(W)[.., columns]` if it adds, else `=`; by look-up, in integers, by adding
/// or dense. Whatever stands beyond the columns.
fn add_product(
    (term, adds, fractions): (&Term<'_>, bool, Option<&Fractions>),
    rows: Range<usize>,
    columns: Range<usize>,
    product: &mut [f32],
    stride: usize,
    expanded: &mut [f32],
) {
    let few = few::takes(term, rows.clone());
    if !adds && few.is_none() {
        product.fill(0.0);
    }
    if let Some((x, fixed)) = term.looked_up() {
        fixed.add_product(term.direction, x, rows, columns, product, stride);
        return;
    }
    let fractions = fractions.filter(|x| x.are_taken());
    if let (Some(fixed), Some(fractions)) = (term.fixed, fractions) {
        fractions.add_product((fixed, term.direction), rows, columns, product, stride);
        return;
    }
    if let Some(x) = few {
        return few::add(few::AddRows {
            x,
            rows,
            weights: term.weights.padded(),
            weights_stride: term.weights.stride(),
            columns,
            product,
            stride,
            adds,
        });
    }
    let w = term.weights;
    let w = Operand::row_major(w.padded(), w.rows(), w.columns(), w.stride());
    let b = match term.direction {
        Direction::Up => w,
        Direction::Down => w.transposed(),
    };
    let b = b.columns(columns);
    match term.input {
        Input::Real(x) => {
            let a = Operand::row_major(x.padded(), x.rows(), x.columns(), x.stride());
            multiply(provider(), 1.0, a.rows(rows), b, product, stride);
        }
        Input::Bits(x) => {
            let n = rows.len();
            for k in (0..x.columns()).step_by(EXPAND_COLUMNS) {
                let part = k..(k + EXPAND_COLUMNS).min(x.columns());
                expand(x, rows.clone(), part.clone(), 1.0, expanded, EXPAND_COLUMNS);
                let a = Operand::row_major(expanded, n, part.len(), EXPAND_COLUMNS);
                multiply(provider(), 1.0, a, b.rows(part), product, stride);
            }
        }
    }
}
