//! Independent draws from a machine that can be enumerated.

use crate::{
    bits::BitMatrix,
    error::{Error, Result},
    model::{Rbm, Side},
    product::{Propagation, Tail},
    rng::{Draws, HostRng, Site, Stream},
};

/// Most units of the smaller layer for [`exact_samples`]: a table of 2^20 probabilities.
pub const MAX_SAMPLED_UNITS: usize = 20;

/// `count` independent visible states `[count x n_visible]` of the model: states of the smaller
/// layer by their enumerated probability, and if that is the hidden one `v ~ P(v | h)`. Precision:
/// probabilities f64, conditionals f32. Deterministic in the seed. Cost: one exponential per unit
/// of the larger layer for each of the `2^n` states of the smaller one.
///
/// # Errors
/// [`Error::Parameter`] beyond [`MAX_SAMPLED_UNITS`] units and for machines of other than Bernoulli
/// units, [`Error::NotFinite`] for NaN or infinite parameters.
pub fn exact_samples(rbm: &Rbm, count: usize, seed: u64) -> Result<BitMatrix> {
    rbm.expect_bernoulli("exact sampling")?;
    let n = rbm.n_visible().min(rbm.n_hidden());
    if n > MAX_SAMPLED_UNITS {
        return Err(Error::parameter(
            "units to enumerate for exact samples",
            format!("at most {MAX_SAMPLED_UNITS}"),
            n,
        ));
    }
    let side = rbm.smaller_side();
    let mut cumulated = match side {
        Side::Visible => rbm.visible_distribution(1.0, &mut ())?,
        Side::Hidden => rbm.transposed().visible_distribution(1.0, &mut ())?,
    };
    let mut sum = 0.0;
    for p in &mut cumulated {
        sum += *p;
        *p = sum;
    }
    let mut rng = HostRng::new(seed, Stream::Exact);
    let mut states = BitMatrix::zeros(count, n);
    for s in 0..count {
        let u = sum * rng.uniform();
        let state = cumulated.partition_point(|&c| c <= u);
        let state = state.min(cumulated.len() - 1);
        (0..n).for_each(|i| states.set(s, i, state >> i & 1 == 1));
    }
    if side == Side::Visible {
        return Ok(states);
    }
    let mut v = BitMatrix::zeros(count, rbm.n_visible());
    let tail = Tail {
        sample: Some((
            v.view_mut(),
            Draws::new(seed, Site::Start, Stream::Exact.number()),
        )),
        precise: true,
        ..Tail::new(1.0)
    };
    rbm.visible_from_hidden((&states).into(), tail, &mut Propagation::default())?;
    Ok(v)
}
