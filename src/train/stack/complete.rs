//! Missing values of the data, as the layers above the lowest see them.

use crate::{
    bits::BitMatrix,
    dataset::Examples,
    error::{Error, Result},
    model::{Clamp, Missing, Rbm},
    product::{Propagation, Tail},
    rng::{Draws, Site},
    states::States,
    train::{RbmOptions, negative::rows::keep_observed},
};

/// Gibbs sweeps of a chain over the missing values of an example.
const SWEEPS: u64 = 20;

/// The examples with their missing values drawn given what was observed by the lowest RBM, which
/// was trained by `options`: the states of chains with the observed units held, after 20 sweeps
/// from missing units that send nothing. What a layer infers of them is a draw of `p(h |
/// v_observed)`, as of examples that miss nothing. Draws are those of pass number `pass`. Absent
/// units stay at zero.
pub(super) fn completed(
    rbm: &Rbm,
    options: &RbmOptions,
    examples: &Examples,
    pass: u64,
) -> Result<Examples> {
    let Some(observed) = examples.observed() else {
        return Ok(examples.clone());
    };
    let n = examples.len();
    let mut v: States = match rbm.visible().units.are_binary() {
        true => examples.states().clone().packed(),
        false => examples.input().to_matrix().into(),
    };
    if rbm.visible().units.are_binary() && v.bits().is_none() {
        let what = "values of examples with missing ones, of which further layers learn";
        return Err(Error::parameter(what, "bits", "means of binary units"));
    }
    let held = Clamp::new(rbm.visible(), v.clone(), observed.clone())?;
    let mut h = States::zeros(n, rbm.hidden());
    let mut buffers = Propagation::default();
    keep_observed(&mut v, observed.view(), n);
    let sweeps = match options.missing {
        Missing::Infer => SWEEPS,
        Missing::Absent => 0,
    };
    let ([factor, _], seed) = (options.doubled.factors(), options.learning.seed);
    for k in 0..sweeps {
        let step = 2 * (pass * SWEEPS + k);
        let draws = |half: u64| Draws::new(seed, Site::Completed, step + half);
        let tail = h.sampled(0..n, draws(0), Tail::new(factor));
        rbm.hidden_from_visible(v.view(), tail, &mut buffers)?;
        let tail = v.sampled(0..n, draws(1), Tail::new(1.0));
        rbm.visible_from_hidden(h.view(), tail, &mut buffers)?;
        held.restore(&mut v);
    }
    let all = BitMatrix::from_fn(n, examples.columns(), |_, _| true);
    examples.with_states(v)?.with_observed(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{matrix::Matrix, model::Imputation};

    /// Chains of a machine of 8 units forget their start in 20 sweeps: means of 20,000 draws are
    /// within five standard errors, at most 0.5 / sqrt(20,000), of the enumerated ones.
    #[test]
    fn draws_are_those_of_what_is_missing_given_the_rest() {
        const MANY: usize = 20_000;
        let weights = Matrix::from_fn(5, 3, |i, j| ((i * 3 + j * 5) % 7) as f32 / 4.0 - 0.7);
        let biases = [vec![0.2, -0.1, 0.4, 0.0, -0.3], vec![0.1, -0.4, 0.2]];
        let rbm = Rbm::from_parameters(biases, [weights]).unwrap();
        let of = |n: usize| {
            let examples = Examples::new(BitMatrix::from_fn(n, 5, |_, j| j % 2 == 0)).unwrap();
            examples
                .with_labels(vec![1; n])
                .unwrap()
                .with_observed(BitMatrix::from_fn(n, 5, |_, j| j == 1 || j == 4))
                .unwrap()
        };
        let expected = rbm
            .impute(&of(1), Missing::Infer, Imputation::Exact, &mut ())
            .unwrap();
        let options = RbmOptions::default();
        let found = completed(&rbm, &options, &of(MANY), 3).unwrap();
        assert!(found.observed().is_none() && found.labels().is_some());
        let five = 5.0 * 0.5 / (MANY as f64).sqrt();
        for (found, expected) in found.mean().iter().zip(expected.visible.row(0)) {
            let expected = f64::from(*expected);
            assert!((found - expected).abs() < five, "{found} {expected}");
        }
        let again = |pass| completed(&rbm, &options, &of(50), pass).unwrap();
        assert_eq!(again(3), again(3));
        assert_ne!(again(3), again(4));
        let absent = RbmOptions {
            missing: Missing::Absent,
            ..options
        };
        let found = completed(&rbm, &absent, &of(2), 0).unwrap();
        assert_eq!(
            found.bits().unwrap().view().ones(1).collect::<Vec<_>>(),
            [4]
        );
    }
}
