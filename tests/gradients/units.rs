//! Gradients of every kind of unit against finite differences.

use crate::common::{memory::last_step, normal_machine, units::random_data};
use harmonium::{
    dataset::Examples,
    model::{Layer, Layered as _, Rbm},
    train::{Learning, Negative, RbmOptions, RbmTraining, Schedule},
    units::Kind,
};

/// Rate at which one update leaves the machine where it was, so that the step divided by it is the
/// gradient.
pub(crate) const TINY_RATE: f32 = 1e-6;

/// The gradient of the first update: W, b, c, log-variances of both layers.
pub(crate) fn gradient(rbm: &Rbm, data: &Examples, options: RbmOptions) -> Vec<f64> {
    let options = RbmOptions {
        variance_rate: 1.0,
        learning: Learning {
            learning_rate: Schedule::Constant(TINY_RATE),
            batch_size: data.len(),
            ..options.learning
        },
        ..options
    };
    let mut training = RbmTraining::new(rbm.clone(), options, data).unwrap();
    let _ = training.update(data).unwrap();
    let all = last_step(&training).into_iter();
    all.map(|x| f64::from(x) / f64::from(TINY_RATE)).collect()
}

pub(crate) fn with_parameter(rbm: &Rbm, mut k: usize, change: f32) -> Rbm {
    let mut rbm = rbm.clone();
    let (n, m) = (rbm.n_visible(), rbm.n_hidden());
    if k < n * m + n + m {
        match k {
            k if k < n * m => rbm.weights_mut(0).row_mut(k / m)[k % m] += change,
            k if k < n * m + n => rbm.bias_mut(0)[k - n * m] += change,
            k => rbm.bias_mut(1)[k - n * m - n] += change,
        }
        return rbm;
    }
    k -= n * m + n + m;
    match k.checked_sub(rbm.visible().log_variance.len()) {
        None => rbm.log_variance_mut(0)[k] += change,
        Some(k) => rbm.log_variance_mut(1)[k] += change,
    }
    rbm
}

/// Units whose log-variance must stay zero.
fn is_fixed(rbm: &Rbm, k: usize) -> bool {
    let first = rbm.n_visible() * rbm.n_hidden() + rbm.n_visible() + rbm.n_hidden();
    let Some(k) = k.checked_sub(first) else {
        return false;
    };
    let (layer, i) = match k.checked_sub(rbm.visible().log_variance.len()) {
        None => (rbm.visible(), k),
        Some(i) => (rbm.hidden(), i),
    };
    let segments = layer.units.segments().iter();
    !segments
        .filter(|s| s.kind == Kind::Gaussian)
        .any(|s| s.range().contains(&i))
}

pub(crate) fn assert_gradient(
    rbm: &Rbm,
    gradient: &[f64],
    objective: impl Fn(&Rbm) -> f64,
    what: &str,
) {
    // A power of two is added exactly to parameters of order one, so the differences are clean to
    // h^2.
    let h = 2_f32.powi(-10);
    for (k, g) in gradient.iter().enumerate() {
        let expected = if is_fixed(rbm, k) {
            0.0
        } else {
            let difference =
                objective(&with_parameter(rbm, k, h)) - objective(&with_parameter(rbm, k, -h));
            difference / (2.0 * f64::from(h))
        };
        assert!(
            (g - expected).abs() < 5e-5,
            "{what}, parameter {k}: {g} for {expected}"
        );
    }
}

#[test]
fn exact_gradients_equal_finite_differences() {
    for (seed, (visible, hidden)) in [
        (("gaussian", 3), ("bernoulli", 3)),
        (("gaussian:2+bernoulli:2", 4), ("softmax:3+spin:1", 4)),
        (("spin", 4), ("gaussian", 2)),
        (("bernoulli:2+softmax:3", 5), ("relu:2+gaussian:1", 3)),
        (("relu", 2), ("spin:2+bernoulli:1", 3)),
        (("softmax:3+softmax:2", 5), ("bernoulli", 2)),
    ]
    .into_iter()
    .enumerate()
    {
        let rbm = normal_machine(visible, hidden, 0.4, seed as u64);
        let data = random_data(rbm.visible(), 20, seed as u64);
        let options = RbmOptions {
            negative: Negative::Exact,
            ..RbmOptions::default()
        };
        let gradient = gradient(&rbm, &data, options);
        let likelihood = |rbm: &Rbm| {
            rbm.exact_mean_log_likelihood(data.input(), &mut ())
                .unwrap()
                .mean
        };
        assert_gradient(
            &rbm,
            &gradient,
            likelihood,
            &format!("{visible:?}, {hidden:?}"),
        );
    }
}

/// Rectified hidden states exceed 1, which fixed point could not hold: with weights of zero,
/// `dW_ij = E[h_j] db_i` to rounding.
#[test]
fn statistics_of_large_hidden_means_are_exact() {
    let mut hidden = Layer::of(Kind::Relu, 40);
    hidden.bias.fill(3.0);
    let rbm = Rbm::unconnected(Layer::bernoulli(70), hidden).unwrap();
    let data = random_data(rbm.visible(), 64, 1);
    let options = RbmOptions {
        negative: Negative::Persistent {
            chains: 64,
            steps: 1,
        },
        ..RbmOptions::default()
    };
    let gradient = gradient(&rbm, &data, options);
    let mean = f64::from(rbm.mean_h_from_v(data.input(), 1.0).unwrap().row(0)[0]);
    assert!(mean > 3.0);
    for i in 0..70 {
        let expected = mean * gradient[70 * 40 + i];
        assert!(
            (gradient[i * 40] - expected).abs() < 1e-4,
            "{} for {expected}",
            gradient[i * 40]
        );
    }
}
