//! RAISE: likelihoods from below, against the distribution of annealing by matrices.

use crate::common::{all_states, linear, normal_rbm};
use harmonium::{
    evaluate::{Ais, Base, Betas},
    kernel::{
        reduce::mean_and_standard_error,
        reference::{log_sum_exp, sigmoid},
    },
    model::Rbm,
};

/// `p_ann` by matrices: the base, then a sweep at each temperature.
fn annealed_distribution(rbm: &Rbm, base: &[f32], betas: &[f64]) -> Vec<f64> {
    let (n, m) = (rbm.n_visible(), rbm.n_hidden());
    let bit = |s: usize, i: usize| (s >> i & 1) as f64;
    let bernoulli = |s: usize, mean: &[f64]| -> f64 {
        mean.iter()
            .enumerate()
            .map(|(i, p)| if bit(s, i) == 1.0 { *p } else { 1.0 - p })
            .product()
    };
    let means: Vec<f64> = base.iter().map(|&b| sigmoid(b.into())).collect();
    let mut p: Vec<f64> = (0..1 << n).map(|v| bernoulli(v, &means)).collect();
    for &beta in betas {
        let hidden = |v: usize| -> Vec<f64> {
            let input = |j: usize| -> f64 {
                let sum: f64 = (0..n)
                    .map(|i| bit(v, i) * f64::from(rbm.weights().row(i)[j]))
                    .sum();
                sum + f64::from(rbm.hidden().bias[j])
            };
            (0..m).map(|j| sigmoid(beta * input(j))).collect()
        };
        let visible = |h: usize| -> Vec<f64> {
            let input = |i: usize| -> f64 {
                let sum: f64 = (0..m)
                    .map(|j| bit(h, j) * f64::from(rbm.weights().row(i)[j]))
                    .sum();
                beta * (sum + f64::from(rbm.visible().bias[i])) + (1.0 - beta) * f64::from(base[i])
            };
            (0..n).map(|i| sigmoid(input(i))).collect()
        };
        let mut next = vec![0.0; p.len()];
        for h in 0..1 << m {
            let q: f64 = (0..p.len()).map(|v| p[v] * bernoulli(h, &hidden(v))).sum();
            let means = visible(h);
            for (v, next) in next.iter_mut().enumerate() {
                *next += q * bernoulli(v, &means);
            }
        }
        p = next;
    }
    p
}

/// The weights of RAISE have mean `p_ann(v)`, and the mean of their logarithm is below its
/// logarithm.
#[test]
fn raise_weights_have_the_annealed_likelihood_as_their_mean() {
    let rbm = normal_rbm(4, 3, 1.5, 2);
    let base = vec![0.3, -0.8, 0.0, 1.1];
    let betas = [0.0, 0.25, 0.7, 1.0_f32];
    let p = annealed_distribution(&rbm, &base, &[0.25, f64::from(0.7_f32), 1.0]);
    assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    let ais = Ais {
        chains: 20_000,
        betas: Betas::Given(betas.to_vec()),
        base: Base::Biases(base),
        seed: 6,
    };
    let v = all_states(4);
    let raised = ais.raise(&rbm, &v, &mut ()).unwrap();
    let mut gaps = 0.0;
    for (s, log_weights) in raised.log_weights.chunks(20_000).enumerate() {
        let (mean, error) = mean_and_standard_error(log_weights.iter().map(|w| w.exp()));
        // Sixteen means: one of them is off by 4.5 standard errors with probability 1e-4.
        assert!((mean - p[s]).abs() < 4.5 * error, "{s}: {mean} {}", p[s]);
        assert!((raised.log_likelihoods[s] - mean.ln()).abs() < 1e-9);
        // Groups of five chains in place of all: lower on average.
        let fives = log_weights.chunks(5).map(|w| log_sum_exp(w) - 5_f64.ln());
        let (mean, error) = mean_and_standard_error(fives);
        assert!(mean < p[s].ln() + 4.5 * error, "{s}: {mean} {}", p[s].ln());
        gaps += p[s].ln() - mean;
    }
    assert!(gaps / 16.0 > 0.01, "the bound has no slack to show: {gaps}");
}

/// On examples of the model the annealed likelihood is below the model's, far below with few
/// temperatures, and reaches it with many.
#[test]
fn raise_is_conservative_and_converges() {
    let rbm = normal_rbm(8, 6, 1.5, 5);
    let log_z = rbm.log_z(&mut ()).unwrap();
    let v = rbm.exact_samples(400, 1).unwrap();
    let free = rbm.exact_free_energies(&v).unwrap();
    let gap = |betas: usize| {
        let raised = linear(20, betas, 2).raise(&rbm, &v, &mut ()).unwrap();
        let gaps = free.iter().zip(&raised.log_likelihoods);
        mean_and_standard_error(gaps.map(|(f, raised)| -f - log_z - raised))
    };
    let (few, error) = gap(2);
    assert!(few > 5.0 * error, "{few} +- {error}");
    let (more, error) = gap(6);
    assert!(more > 5.0 * error && more < few, "{more} +- {error}");
    let (many, error) = gap(3000);
    assert!(
        many.abs() < 4.0 * error && error < 0.005,
        "{many} +- {error}"
    );
}
