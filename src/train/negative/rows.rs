//! Rows of states: drawn from examples, of what is observed alone.

use crate::{
    bits::BitView,
    dataset::Examples,
    matrix::Matrix,
    model::Layer,
    rng::{Draws, HostRng, Site, Stream},
    states::{Input, States},
    units::Kind,
};

/// States of `layer` at `count` examples drawn with replacement, and which these are.
pub(in crate::train) fn start_at(
    data: &Examples,
    layer: &Layer,
    count: usize,
    seed: u64,
) -> (States, Vec<usize>) {
    let mut rng = HostRng::new(seed, Stream::Start);
    let draws = Draws::new(seed, Site::Start, 0);
    let mut states = States::zeros(count, layer);
    let chosen: Vec<usize> = (0..count).map(|_| rng.below(data.len())).collect();
    for (k, &i) in chosen.iter().enumerate() {
        match (data.input(), &mut states) {
            (Input::Bits(x), States::Bits(v)) => v.copy_row(k, x, i),
            (Input::Real(x), States::Bits(v)) => {
                draw_row(layer, x.row(i), draws, k, v.view_mut().row_mut(k));
            }
            (x, States::Real(v)) => x.copy_row_to(i, v.row_mut(k)),
        }
    }
    (states, chosen)
}

/// Zeros in place of what is missing of the first `rows` rows.
pub(in crate::train) fn keep_observed(x: &mut States, observed: BitView<'_>, rows: usize) {
    match x {
        States::Bits(x) => {
            let mut x = x.view_mut();
            for row in 0..rows {
                let all = x.row_mut(row).iter_mut().zip(observed.row(row));
                all.for_each(|(x, mask)| *x &= mask);
            }
        }
        States::Real(x) => keep_observed_means(x, observed),
    }
}

pub(super) fn keep_observed_means(x: &mut Matrix, observed: BitView<'_>) {
    for row in 0..observed.rows().min(x.rows()) {
        for (i, x) in x.row_mut(row).iter_mut().enumerate() {
            if !observed.get(row, i) {
                *x = 0.0;
            }
        }
    }
}

/// Row `row` of `x`, of the same kind of states.
pub(in crate::train) fn copy(to: &mut States, x: Input<'_>, row: usize) {
    match (to, x) {
        (States::Bits(to), Input::Bits(x)) => to.copy_row(row, x, row),
        (States::Real(to), x) => x.copy_row_to(row, to.row_mut(row)),
        (States::Bits(_), Input::Real(_)) => unreachable!("checked at the door"),
    }
}

/// Puts the observed values of the first `rows` examples back.
pub(in crate::train) fn restore(to: &mut States, x: Input<'_>, observed: BitView<'_>, rows: usize) {
    match (to, x) {
        (States::Bits(to), Input::Bits(x)) => {
            let mut to = to.view_mut();
            for row in 0..rows {
                let given = x.row(row).iter().zip(observed.row(row));
                for (to, (x, mask)) in to.row_mut(row).iter_mut().zip(given) {
                    *to = (*to & !mask) | (x & mask);
                }
            }
        }
        (States::Real(to), x) => {
            for row in 0..rows {
                let to = to.row_mut(row);
                observed.ones(row).for_each(|i| to[i] = x.get(row, i));
            }
        }
        (States::Bits(_), Input::Real(_)) => unreachable!("checked at the door"),
    }
}

/// Bits `words` of row `row` drawn with `means` as probabilities: each on its own, of a softmax
/// group exactly one.
pub(in crate::train) fn draw_row(
    layer: &Layer,
    means: &[f32],
    draws: Draws,
    row: usize,
    words: &mut [u64],
) {
    for (j, &p) in means.iter().enumerate() {
        let bit = 1 << (j % 64);
        if draws.uniform(row, j) < p {
            words[j / 64] |= bit;
        } else {
            words[j / 64] &= !bit;
        }
    }
    redraw_groups(layer, means, draws, row, words);
}

/// The softmax groups of a row whose bits were drawn each on its own.
pub(in crate::train) fn redraw_groups(
    layer: &Layer,
    means: &[f32],
    draws: Draws,
    row: usize,
    words: &mut [u64],
) {
    let groups = layer.units.segments().iter();
    for group in groups.filter(|s| s.kind == Kind::Softmax) {
        let u = draws.uniform(row, group.first);
        let (mut running, mut chosen) = (0.0, group.first);
        for j in group.range() {
            words[j / 64] &= !(1 << (j % 64));
            if means[j] > 0.0 && running <= u {
                chosen = j;
            }
            running += means[j];
        }
        words[chosen / 64] |= 1 << (chosen % 64);
    }
}
