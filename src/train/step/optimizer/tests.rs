use super::{
    super::{
        Centering, Rule,
        evidence::{Beside, LabelGradient, Phases},
    },
    *,
};
use crate::{
    model::{Dbm, Rbm},
    product::{Route, route},
};

const RATES: Rates = Rates {
    rule: Rule::Momentum,
    learning_rate: 0.5,
    momentum: 0.25,
    weight_decay: 0.0,
    l1_decay: 0.0,
    gradient_clip: None,
    variance_rate: 0.0,
    update: 2,
};

fn of<'a>(phases: &'a (dyn Fn(usize) -> Phases<'a> + Sync), beside: Beside<'a>) -> Evidence<'a> {
    Evidence {
        phases,
        beside,
        paired: false,
        counts: false,
    }
}

#[test]
fn clipping_shortens_the_gradient_and_else_changes_nothing() {
    let v = Matrix::from_fn(4, 150, |i, j| ((i + j) % 3) as f32);
    let h = Matrix::from_fn(4, 70, |i, j| ((i * j) % 5) as f32);
    let phases = [Phase::new((&v).into(), (&h).into(), 0.25)];
    let phases = |_| Phases::new([phases[0]; 3], 1);
    let evidence = of(&phases, Beside::default());
    let run = |clip| {
        let mut rbm = Rbm::bernoulli(&[150, 70]).unwrap();
        let mut optimizer = Optimizer::new(&rbm);
        let rates = Rates {
            gradient_clip: clip,
            ..RATES
        };
        optimizer
            .step(
                &mut rbm,
                evidence,
                rates,
                Shaping::default(),
                &mut Gradient::default(),
            )
            .unwrap();
        (rbm, optimizer.first)
    };
    let (free, _) = run(None);
    assert_eq!(run(Some(1e9)).0, free);
    let (_, clipped) = run(Some(2.0));
    let square = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    let norm =
        (square(clipped.weights[0].padded()) + square(&clipped.bias[0]) + square(&clipped.bias[1]))
            .sqrt();
    assert!(
        (norm - 0.5 * 2.0).abs() < 1e-5,
        "learning rate 0.5 x clipped norm 2, not {norm}"
    );
}

/// What is beside the statistics of labels goes into rectangles as into the whole gradient, also
/// where labels lie in two rectangles, centered or not. Sums of the centered biases have another
/// order: 2^-24 of sums below 2^7, times some tens of additions.
#[test]
fn label_gradients_are_the_same_by_rectangles_and_in_one_piece() {
    let (n, m, samples) = (270, 200, 40);
    let v = crate::bits::BitMatrix::from_fn(samples, n, |i, j| (i * 5 + j * 3) % 7 < 3);
    let h = Matrix::from_fn(samples, m, |i, j| ((i * 3 + j) % 5) as f32 / 5.0);
    let dense = Matrix::from_fn(samples, n, |i, j| f32::from(v.get(i, j)));
    let labels = LabelGradient {
        first: 250,
        weights: Matrix::from_fn(20, m, |i, j| (i * 7 + j) as f32 / 100.0),
        bias: (0..20).map(|i| i as f32 / 10.0 - 0.7).collect(),
    };
    for visible in [(&v).into(), (&dense).into()] {
        for centering in [None, Some(Centering::default())] {
            let phases = [Phase::new(visible, (&h).into(), 1.0 / samples as f32)];
            let phases = |_| Phases::new([phases[0]; 3], 1);
            let run = |gradient_clip, labels| {
                let mut rbm = Rbm::bernoulli(&[n, m]).unwrap();
                let mut optimizer = Optimizer::new(&rbm);
                if let Some(centering) = centering {
                    optimizer.offsets = centering.start(&rbm, &vec![0.4; n]);
                }
                let rates = Rates {
                    gradient_clip,
                    ..RATES
                };
                let beside = Beside {
                    labels,
                    ..Beside::default()
                };
                let shaping = Shaping {
                    centering,
                    ..Shaping::default()
                };
                let gradient = &mut Gradient::default();
                optimizer
                    .step(&mut rbm, of(&phases, beside), rates, shaping, gradient)
                    .unwrap();
                rbm
            };
            let distance = |a: &Rbm, b: &Rbm| {
                let all = |x: &Rbm| {
                    let biases = x.visible().bias.iter().chain(&x.hidden().bias);
                    biases.copied().chain(x.weights().elements()).collect()
                };
                let (a, b): (Vec<f32>, Vec<f32>) = (all(a), all(b));
                let gaps = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
                gaps.fold(0.0, f32::max)
            };
            let by_rectangles = run(None, Some(&labels));
            let in_one_piece = run(Some(1e9), Some(&labels));
            assert!(distance(&by_rectangles, &in_one_piece) < 1e-3);
            assert!(distance(&by_rectangles, &run(None, None)) > 0.1);
        }
    }
}

/// Sums of some hundred terms of order one in f32. Looked up, hidden means are rounded to 11 bits
/// by a dither: five standard errors of both phases' means, which all visible units share, of which
/// fewer than half are on.
fn bound_of_centered(samples: usize, offsets: &[f32]) -> f32 {
    let rounding = match route() {
        Route::LookUp => 5.0 * (2.0 / (12.0 * samples as f32)).sqrt() / 2048.0,
        _ => 0.0,
    };
    2e-3 + 0.5 * rounding * offsets.iter().sum::<f32>()
}

/// Both ways, by rectangles and in one piece, against the definition `sum_p weight_p (V_p -
/// mu)'(H_p - lambda)` and what follows for biases.
#[test]
fn centered_steps_are_those_of_the_definition() {
    for (n, m, samples) in [(3, 2, 4), (150, 70, 9), (300, 200, 70)] {
        let v = Matrix::from_fn(samples, n, |i, j| f32::from((i * 5 + j * 3) % 7 < 3));
        let h = Matrix::from_fn(samples, m, |i, j| ((i * 3 + j) % 5) as f32 / 5.0);
        let model_v = Matrix::from_fn(samples, n, |i, j| f32::from((i + j * 2) % 5 < 2));
        let model_h = Matrix::from_fn(samples, m, |i, j| ((i * 2 + j) % 9) as f32 / 9.0);
        let weight = 1.0 / samples as f32;
        let phases = [(&v, &h, weight), (&model_v, &model_h, -weight)]
            .map(|(v, h, weight)| Phase::new(v.into(), h.into(), weight));
        let phases = |_| Phases::pair(phases[0], phases[1]);
        let offsets: [Vec<f32>; 2] = [
            (0..n).map(|i| 0.3 + 0.01 * (i % 50) as f32).collect(),
            (0..m).map(|j| 0.8 - 0.01 * (j % 60) as f32).collect(),
        ];
        let mut expected = Matrix::zeros(n, m);
        let (mut db, mut dc) = (vec![0.0; n], vec![0.0; m]);
        for (v, h, weight) in [(&v, &h, weight), (&model_v, &model_h, -weight)] {
            for s in 0..samples {
                for (i, db) in db.iter_mut().enumerate() {
                    *db += weight * v.row(s)[i];
                    let centered = weight * (v.row(s)[i] - offsets[0][i]);
                    let hidden = h.row(s).iter().zip(&offsets[1]);
                    for (to, (h, offset)) in expected.row_mut(i).iter_mut().zip(hidden) {
                        *to += centered * (h - offset);
                    }
                }
                for (dc, h) in dc.iter_mut().zip(h.row(s)) {
                    *dc += weight * h;
                }
            }
        }
        for (i, db) in db.iter_mut().enumerate() {
            for (j, dc) in dc.iter_mut().enumerate() {
                *db -= expected.row(i)[j] * offsets[1][j];
                *dc -= expected.row(i)[j] * offsets[0][i];
            }
        }
        for gradient_clip in [None, Some(1e9)] {
            let mut rbm = Rbm::bernoulli(&[n, m]).unwrap();
            let mut optimizer = Optimizer {
                offsets: offsets.to_vec(),
                ..Optimizer::new(&rbm)
            };
            let rates = Rates {
                gradient_clip,
                learning_rate: 1.0,
                ..RATES
            };
            let shaping = Shaping {
                centering: Some(Centering {
                    rate: 0.0,
                    ..Centering::default()
                }),
                ..Shaping::default()
            };
            let (beside, gradient) = (Beside::default(), &mut Gradient::default());
            optimizer
                .step(&mut rbm, of(&phases, beside), rates, shaping, gradient)
                .unwrap();
            let bound = bound_of_centered(samples, &offsets[0]);
            let close = |a: f32, b: f32| (a - b).abs() < bound;
            let step = &optimizer.first;
            assert!(
                step.weights[0]
                    .elements()
                    .zip(expected.elements())
                    .all(|(a, b)| close(a, b))
            );
            assert!(
                step.bias[0].iter().zip(&db).all(|(a, b)| close(*a, *b)),
                "{n} x {m}"
            );
            assert!(
                step.bias[1].iter().zip(&dc).all(|(a, b)| close(*a, *b)),
                "{n} x {m}"
            );
        }
    }
}

/// Clipping that shortens nothing takes the whole gradient of three layers first. Centered, sums of
/// the biases have another order: 2^-24 of sums below 2^6, times some tens of additions.
#[test]
fn stacks_step_by_rectangles_as_in_one_piece() {
    let sizes = [150, 140, 70];
    let states = |shift: usize| {
        let of = |n| Matrix::from_fn(30, n, |i, j| f32::from((i * 3 + j * 5 + shift) % 7 < 3));
        sizes.map(of)
    };
    let (data, model) = (states(0), states(2));
    let phase = |states, l: usize, weight| {
        let states: &[Matrix; 3] = states;
        Phase::new((&states[l]).into(), (&states[l + 1]).into(), weight)
    };
    let share = 1.0 / 30.0;
    let phases = |l| Phases::pair(phase(&data, l, share), phase(&model, l, -share));
    for centering in [None, Some(Centering::default())] {
        let run = |gradient_clip| {
            let mut dbm = Dbm::bernoulli(&sizes).unwrap();
            let shaping = Shaping {
                centering,
                ..Shaping::default()
            };
            let mut optimizer = Optimizer::for_run(&dbm, Rule::Momentum, &shaping, &[0.4; 150]);
            let evidence = Evidence {
                paired: true,
                ..of(&phases, Beside::default())
            };
            let rates = Rates {
                gradient_clip,
                ..RATES
            };
            let gradient = &mut Gradient::default();
            let stepped = optimizer.step(&mut dbm, evidence, rates, shaping, gradient);
            stepped.unwrap();
            Parameters::of(&dbm)
        };
        let (by_rectangles, whole, short) = (run(None), run(Some(1e9)), run(Some(0.1)));
        let all = |x: &Parameters| -> Vec<f32> {
            let weights = x.weights.iter().flat_map(Matrix::elements);
            weights.chain(x.bias.concat()).collect()
        };
        let gaps = all(&by_rectangles).into_iter().zip(all(&whole));
        assert!(gaps.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 1e-4);
        let squares = all(&short).into_iter().map(|x| f64::from(x).powi(2));
        // Learning rate 0.5 times the norm that is allowed.
        assert!((squares.sum::<f64>().sqrt() - 0.05).abs() < 1e-6);
    }
}
