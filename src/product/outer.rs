//! Statistics: `sum over phases of alpha V' H`, a panel of visible units at a time, handed on while
//! it is in cache.

use super::{
    Phase, PhaseTables, StatisticsTile,
    connection::route,
    dense::{Operand, Provider, multiply, provider},
    expand::expand,
    popcount,
    quantize::{BLOCK, WIDTH},
    registers,
    summed::SummedSamples,
    tile::Target,
};
use crate::{
    bits::{BitView, WORD_BITS},
    error::{Error, Result, expect_pair},
    matrix::{Aligned, Matrix, aligned},
    states::Input,
    threads::{self, Parts},
};
use std::{cell::RefCell, ops::Range};

/// Visible units of a panel.
const PANEL_UNITS: usize = BLOCK;
/// Hidden units of a tile that is looked up in registers.
const WIDE_COLUMNS: usize = BLOCK;
/// Visible units for which tables in registers are built at least, however many threads wait.
const FEWEST_WIDE_ROWS: usize = 2 * BLOCK;

/// `sum_p weight_p V_p' H_p`, not computed until it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Statistics<'a> {
    phases: &'a [Phase<'a>],
    /// Hidden states of each phase in fixed point; without them statistics are dense.
    tables: Option<&'a PhaseTables>,
    /// Whether tables are looked up in registers.
    wide: bool,
    /// Whether both layers of every phase are binary, so that pairs are counted.
    counted: bool,
    /// Whether samples are few and added up one by one.
    summed: bool,
    n_visible: usize,
    n_hidden: usize,
}

impl<'a> Statistics<'a> {
    /// The statistics of `phases` between layers of the given sizes.
    ///
    /// # Errors
    /// [`Error::Shape`] where samples or units disagree.
    pub fn new(phases: &'a [Phase<'a>], n_visible: usize, n_hidden: usize) -> Result<Self> {
        for phase in phases {
            let (v, h) = (&phase.visible, &phase.hidden);
            let found = [(v.rows(), v.columns()), (h.rows(), h.columns())];
            expect_pair("samples of a phase", found, (n_visible, n_hidden))?;
            if let Some(of_rows) = phase.of_rows
                && of_rows.len() != v.rows()
            {
                return Err(Error::shape("factors of samples", v.rows(), of_rows.len()));
            }
        }
        Ok(Self {
            phases,
            tables: None,
            wide: false,
            counted: false,
            summed: false,
            n_visible,
            n_hidden,
        })
    }

    /// Phases the fastest way: by look-up, of real visible states in [0, 1] in integers, where that
    /// `may` be and the layers meet by look-up, or sample by sample where these are few and visible
    /// states binary. `tables` are kept between calls.
    #[must_use]
    pub(crate) fn fastest(self, may_look_up: bool, tables: &'a mut PhaseTables) -> Self {
        if may_look_up && self.looks_up(tables) {
            return match self.fills_reals(tables) {
                true => self.by_look_up(tables),
                false => self,
            };
        }
        if !SummedSamples::takes(self.phases) || provider() != Provider::Native {
            return self;
        }
        tables
            .summed
            .fill(self.phases, self.n_visible, self.n_hidden);
        Self {
            tables: Some(tables),
            summed: true,
            ..self
        }
    }

    /// Takes the phases of real visible states, and tells whether all of these are in [0, 1].
    fn fills_reals(&self, tables: &mut PhaseTables) -> bool {
        let mut phases = tables.reals.iter_mut().zip(self.phases);
        phases.all(|(real, phase)| match phase.visible {
            Input::Bits(_) => true,
            Input::Real(v) => real.fill(v, phase.hidden),
        })
    }

    /// Whether look-ups, or products of integers, may take these phases.
    fn looks_up(&self, tables: &PhaseTables) -> bool {
        let all_alike = self.phases.iter().all(|p| p.of_rows.is_none());
        let rows = self
            .phases
            .iter()
            .map(|p| p.visible.rows())
            .min()
            .unwrap_or(0);
        // The product's inputs are samples, its rows visible units.
        let fits = self.phases.len() <= tables.samples.len() && rows > 0;
        let route = route();
        all_alike
            && fits
            && route.takes_look_up(self.n_visible, self.n_hidden)
            && route.looks_up_statistics(rows)
    }

    fn by_look_up(self, tables: &'a mut PhaseTables) -> Self {
        let PhaseTables {
            samples,
            indices,
            by_unit,
            ..
        } = tables;
        let are_bits =
            |p: &Phase<'_>| matches!((p.visible, p.hidden), (Input::Bits(_), Input::Bits(_)));
        if self.phases.iter().all(are_bits) {
            for (by_unit, phase) in by_unit.iter_mut().zip(self.phases) {
                for (by_unit, states) in by_unit.iter_mut().zip([phase.visible, phase.hidden]) {
                    if let Input::Bits(x) = states {
                        by_unit.fill(x);
                    }
                }
            }
            return Self {
                tables: Some(tables),
                counted: true,
                ..self
            };
        }
        let wide = registers::takes(self.n_visible) && self.phases_of_bits().next().is_some();
        for (k, _) in self.phases_of_bits() {
            samples[k].fill(self.phases[k].hidden);
        }
        if wide {
            let visible = self.phases_of_bits().map(|(_, v)| v);
            indices.fill_transposed(self.n_visible, visible);
        }
        Self {
            tables: Some(tables),
            wide,
            ..self
        }
    }

    /// Phases of binary visible states, by number.
    fn phases_of_bits(&self) -> impl Iterator<Item = (usize, BitView<'a>)> + Clone + use<'a> {
        let phases = self.phases.iter().enumerate();
        phases.filter_map(|(k, p)| Some((k, p.visible.bits()?)))
    }

    /// Adds the phases of real visible states, in order, to a tile of these units.
    fn add_reals(
        &self,
        tables: &PhaseTables,
        (units, hidden): (Range<usize>, Range<usize>),
        tile: &mut [f32],
        stride: usize,
    ) {
        for (real, phase) in tables.reals.iter().zip(self.phases) {
            if let Input::Real(_) = phase.visible {
                real.add_outer(units.clone(), hidden.clone(), phase.weight, tile, stride);
            }
        }
    }

    /// `sums[i] += sum_p weight_p sum over samples of (V_p[.., i] - center[i])^2`.
    pub(crate) fn add_visible_squares(&self, center: &[f32], sums: &mut [f32]) {
        for phase in self.phases {
            phase.add_squares(phase.visible, center, sums);
        }
    }

    /// `sums[j] += sum_p weight_p sum over samples of (H_p[.., j] - center[j])^2`.
    pub(crate) fn add_hidden_squares(&self, center: &[f32], sums: &mut [f32]) {
        for phase in self.phases {
            phase.add_squares(phase.hidden, center, sums);
        }
    }

    /// The statistics as a matrix `[n_visible x n_hidden]`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `out` has another shape.
    pub fn write_to(&self, out: &mut Matrix) -> Result<()> {
        if (out.rows(), out.columns()) != (self.n_visible, self.n_hidden) {
            return Err(Error::shape(
                "statistics",
                format!("{} x {}", self.n_visible, self.n_hidden),
                format!("{} x {}", out.rows(), out.columns()),
            ));
        }
        self.hand_on(out.view_mut());
        Ok(())
    }

    /// Hands every rectangle of the statistics on to its part of the target, which is
    /// `[n_visible x n_hidden]`. Rectangles run in parallel.
    pub(crate) fn hand_on(&self, target: impl Target) {
        if self.n_visible == 0 || self.n_hidden == 0 {
            return;
        }
        let all = [0..self.n_visible, 0..self.n_hidden];
        if self.wide {
            let columns = self.n_hidden.div_ceil(WIDE_COLUMNS).max(1);
            // Tables of few outputs meet as many rows as possible while there is work for all.
            let parts = match threads::count() {
                1 => 1,
                n => (4 * n).div_ceil(columns),
            };
            let rows = (self.n_visible / parts).next_multiple_of(BLOCK);
            let rows = rows.clamp(FEWEST_WIDE_ROWS, registers::MAX_ROWS);
            let split = |rectangle| self.split_wide(rectangle, rows);
            threads::divide((all, target), &split, &|(at, target)| {
                self.wide_tile(at, target)
            });
        } else {
            let split = |rectangle| split_rows(rectangle, PANEL_UNITS);
            threads::divide((all, target), &split, &|([units, _], target)| {
                self.fill(units, target)
            });
        }
    }

    /// A rectangle of many visible and few hidden units, or both its halves.
    fn split_wide<T: Target>(
        &self,
        (at, target): Rectangle<T>,
        rows: usize,
    ) -> Parts<Rectangle<T>> {
        let [units, hidden] = at;
        if hidden.len() > WIDE_COLUMNS {
            let n = hidden.len().div_ceil(WIDE_COLUMNS) / 2 * WIDE_COLUMNS;
            let (left, right) = target.split_at_column(n);
            let middle = hidden.start + n;
            Parts::Two(
                ([units.clone(), hidden.start..middle], left),
                ([units, middle..hidden.end], right),
            )
        } else {
            split_rows(([units, hidden], target), rows)
        }
    }

    /// One of them. It is handed on in blocks of rows, each of which is finished before the next.
    fn wide_tile(&self, [units, hidden]: [Range<usize>; 2], mut target: impl Target) {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.grow(self.most_samples(), hidden_stride(self.n_hidden));
            let OuterScratch {
                tile, registers, ..
            } = scratch;
            let tile = &mut tile[..units.len() * WIDE_COLUMNS];
            let tables = self.tables.expect("wide statistics have tables");
            let lookup = registers::Tile {
                indices: &tables.indices,
                rows: units.clone(),
                outputs: hidden.len(),
                slab: |k, mut block| {
                    for (number, _) in self.phases_of_bits() {
                        let (samples, phase) = (&tables.samples[number], &self.phases[number]);
                        if block < samples.blocks() {
                            return samples.slab(hidden.start + k * WIDTH, block, phase.weight);
                        }
                        block -= samples.blocks();
                    }
                    unreachable!("a block of no phase")
                },
            };
            lookup.write(tile, WIDE_COLUMNS, registers);
            let all = (units.clone(), hidden.clone());
            self.add_reals(tables, all, tile, WIDE_COLUMNS);
            for (k, values) in tile.chunks_mut(BLOCK * WIDE_COLUMNS).enumerate() {
                let rows = values.len() / WIDE_COLUMNS;
                let (mut own, rest) = target.split_at_row(rows);
                target = rest;
                let tile = StatisticsTile {
                    at: [units.start + k * BLOCK, hidden.start],
                    rows,
                    values,
                    stride: WIDE_COLUMNS,
                };
                own.take(0, tile);
                own.finish();
            }
        });
    }

    /// A panel of visible units with all hidden ones.
    fn fill(&self, units: Range<usize>, mut target: impl Target) {
        SCRATCH.with_borrow_mut(|scratch| {
            let stride = hidden_stride(self.n_hidden);
            scratch.grow(self.most_samples(), stride);
            if let Some(tables) = self.tables.filter(|_| self.summed) {
                let tile = &mut scratch.tile;
                return tables.summed.hand_on(units, tile, stride, target);
            }
            let rows = units.len();
            let tile = StatisticsTile {
                at: [units.start, 0],
                rows,
                values: self.panel(units, stride, scratch),
                stride,
            };
            target.take(0, tile);
            target.finish();
        });
    }

    /// The statistics of a panel.
    fn panel<'s>(
        &self,
        units: Range<usize>,
        stride: usize,
        scratch: &'s mut OuterScratch,
    ) -> &'s mut [f32] {
        let OuterScratch {
            tile,
            visible,
            hidden,
            ..
        } = scratch;
        let tile = &mut tile[..units.len() * stride];
        tile.fill(0.0);
        for (k, phase) in self.phases.iter().enumerate() {
            match (phase.visible, self.tables) {
                (_, Some(tables)) if self.counted => {
                    let [v, h] = &tables.by_unit[k];
                    popcount::add_outer(v, h, units.clone(), phase.weight, tile, stride);
                }
                (Input::Bits(v), Some(tables)) => {
                    let samples = &tables.samples[k];
                    samples.add_outer(v, units.start, units.len(), phase.weight, tile, stride);
                }
                (Input::Real(_), Some(_)) => {}
                _ => add_phase(phase, units.clone(), tile, stride, visible, hidden),
            }
        }
        if let Some(tables) = self.tables {
            self.add_reals(tables, (units, 0..self.n_hidden), tile, stride);
        }
        tile
    }

    /// Of any phase.
    fn most_samples(&self) -> usize {
        let samples = self.phases.iter().map(|p| p.visible.rows());
        samples.max().unwrap_or(0)
    }
}

/// Scratch of one thread: a tile of statistics, and states expanded from bits.
struct OuterScratch {
    tile: Aligned<f32>,
    visible: Aligned<f32>,
    hidden: Aligned<f32>,
    registers: registers::Scratch,
}

thread_local! {
    static SCRATCH: RefCell<OuterScratch> = RefCell::new(OuterScratch {
        tile: aligned(0, 0.0),
        visible: aligned(0, 0.0),
        hidden: aligned(0, 0.0),
        registers: registers::Scratch::new(),
    });
}

/// Grows this thread's buffers.
pub(super) fn warm_up(samples: usize, n_hidden: usize) {
    SCRATCH.with_borrow_mut(|scratch| scratch.grow(samples, hidden_stride(n_hidden)));
}

impl OuterScratch {
    fn grow(&mut self, samples: usize, stride: usize) {
        for (buffer, size) in [
            (
                &mut self.tile,
                (PANEL_UNITS * stride).max(registers::MAX_ROWS * WIDE_COLUMNS),
            ),
            (&mut self.visible, samples * PANEL_UNITS),
            (&mut self.hidden, samples * stride),
        ] {
            if buffer.len() < size {
                buffer.resize(size, 0.0);
            }
        }
    }
}

/// Floats of a row of a tile.
fn hidden_stride(n_hidden: usize) -> usize {
    n_hidden.max(1).next_multiple_of(WORD_BITS)
}

/// Visible and hidden units, and the part of the target that is theirs.
type Rectangle<T> = ([Range<usize>; 2], T);

/// A rectangle of at most so many rows, or both its halves.
fn split_rows<T: Target>((at, target): Rectangle<T>, rows: usize) -> Parts<Rectangle<T>> {
    let [units, hidden] = at;
    if units.len() <= rows {
        return Parts::One(([units, hidden], target));
    }
    let n = units.len().div_ceil(rows) / 2 * rows;
    let (upper, lower) = target.split_at_row(n);
    let middle = units.start + n;
    Parts::Two(
        ([units.start..middle, hidden.clone()], upper),
        ([middle..units.end, hidden], lower),
    )
}

/// `tile += weight V[.., units]' H`, dense; bits are expanded into the buffers.
fn add_phase(
    phase: &Phase<'_>,
    units: Range<usize>,
    tile: &mut [f32],
    stride: usize,
    visible: &mut [f32],
    hidden: &mut [f32],
) {
    let samples = phase.visible.rows();
    let v = match phase.visible {
        _ if phase.of_rows.is_some() => {
            weigh(phase, units.clone(), visible);
            Operand::row_major(visible, samples, units.len(), PANEL_UNITS)
        }
        Input::Real(v) => {
            Operand::row_major(v.padded(), samples, v.columns(), v.stride()).columns(units)
        }
        Input::Bits(v) => {
            expand(v, 0..samples, units.clone(), 1.0, visible, PANEL_UNITS);
            Operand::row_major(visible, samples, units.len(), PANEL_UNITS)
        }
    };
    let h = match phase.hidden {
        Input::Real(h) => Operand::row_major(h.padded(), samples, h.columns(), h.stride()),
        Input::Bits(h) => {
            expand(h, 0..samples, 0..h.columns(), 1.0, hidden, stride);
            Operand::row_major(hidden, samples, h.columns(), stride)
        }
    };
    multiply(provider(), phase.weight, v.transposed(), h, tile, stride);
}

/// The panel `units` of the visible states, every sample times its factor.
fn weigh(phase: &Phase<'_>, units: Range<usize>, visible: &mut [f32]) {
    for (s, factor) in phase.of_rows.unwrap_or_default().iter().enumerate() {
        let to = &mut visible[s * PANEL_UNITS..][..units.len()];
        match phase.visible {
            Input::Real(v) => {
                let from = &v.row(s)[units.clone()];
                let all = to.iter_mut().zip(from);
                all.for_each(|(to, x)| *to = factor * x);
            }
            Input::Bits(v) => {
                let all = to.iter_mut().zip(units.clone());
                all.for_each(|(to, i)| *to = if v.get(s, i) { *factor } else { 0.0 });
            }
        }
    }
}
