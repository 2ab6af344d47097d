//! Whether a machine is fit to be used: its numbers, its normal form, its units, and its data.

use crate::{
    dataset::Examples,
    error::Error,
    model::{Layer, Model},
    states::Input,
    units::Kind,
};
use std::fmt;

/// A unit whose input stays at this distance from 0 or beyond, whatever the units beside it do, is
/// saturated: its probability is within `e^-10`, some 5e-5, of 0 or of 1.
pub const SATURATED_INPUT: f64 = 10.0;

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong.
    Good,
    /// It can be used, and something is odd.
    Odd,
    /// It cannot be used.
    Wrong,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Odd => "odd",
            Self::Wrong => "wrong",
        })
    }
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What: `finite`, `normalizable`, `saturated`, `look_up` or `data`.
    pub name: &'static str,
    /// What was found.
    pub verdict: Verdict,
    /// The same in words.
    pub told: String,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, told: impl Into<String>) -> Self {
        Self {
            name,
            verdict,
            told: told.into(),
        }
    }

    fn of(name: &'static str, outcome: Result<String, Error>) -> Self {
        match outcome {
            Ok(told) => Self::new(name, Verdict::Good, told),
            Err(e) => Self::new(name, Verdict::Wrong, e.to_string()),
        }
    }
}

/// What can be said of `model`, and of `data` under it.
///
/// - `finite`: no parameter is NaN or infinite.
/// - `normalizable`: the energy has a normal form. It has one if a layer of each connected pair has
///   finitely many states. Between two layers of continuous units it has one if `I - D'D` is
///   positive definite, `D_ij = W_ij / (s_i t_j)`, where negative weights between rectified units
///   count as 0; of Gaussian units this is also necessary.
/// - `saturated`: binary hidden units whose input no state of binary layers beside them moves
///   within [`SATURATED_INPUT`] of 0, where there are such layers. They are constants.
/// - `look_up`: how far the weights of fast products are from those of the model, at most, where
///   there are such products.
/// - `data`: as many columns as visible units, and values that are states of them or, of Bernoulli
///   and softmax units, probabilities.
///
/// Cost: one pass over the parameters, over the data, and a Cholesky decomposition of the smaller
/// of two layers of continuous units.
pub fn verify(model: &Model, data: Option<&Examples>) -> Vec<Check> {
    let mut checks = vec![Check::of("finite", finite(model))];
    if checks[0].verdict == Verdict::Wrong {
        return checks;
    }
    checks.push(Check::of("normalizable", normalizable(model)));
    checks.extend(saturated(model));
    checks.extend(look_up(model));
    checks.extend(data.map(|data| against(model, data)));
    checks
}

fn finite(model: &Model) -> Result<String, Error> {
    match model {
        Model::Rbm(rbm) => rbm.check_finite(),
        Model::Dbn(dbn) => dbn.check_finite(),
        Model::Dbm(dbm) => dbm.check_finite(),
        Model::Boltzmann(machine) => machine.check(),
        Model::Network(network) => network.check_finite(),
    }?;
    Ok("all parameters are finite numbers".into())
}

fn normalizable(model: &Model) -> Result<String, Error> {
    let pair = match model {
        Model::Rbm(rbm) => Some(rbm),
        Model::Dbn(dbn) => Some(dbn.top()),
        _ => None,
    };
    let Some(pair) = pair else {
        return Ok("all units have finitely many states".into());
    };
    pair.check()?;
    let continuous = [pair.visible(), pair.hidden()].map(|x| !x.units.are_discrete());
    Ok(match continuous {
        [true, true] => "the energy grows in every direction of the continuous units",
        _ => "a layer of each pair has finitely many states",
    }
    .into())
}

/// Connected pairs of layers: the one below, the one above, `W_ij`.
fn pairs(model: &Model) -> Vec<(&Layer, &Layer, &crate::Matrix)> {
    match model {
        Model::Rbm(rbm) => vec![(rbm.visible(), rbm.hidden(), rbm.weights())],
        Model::Dbn(dbn) => {
            let directed = dbn.directed().iter();
            let directed = directed.map(|x| (x.below(), x.above(), x.recognition_weights()));
            let top = dbn.top();
            let top = (top.visible(), top.hidden(), top.weights());
            directed.chain(std::iter::once(top)).collect()
        }
        Model::Dbm(dbm) => (0..dbm.n_layers() - 1)
            .map(|l| (dbm.layer(l), dbm.layer(l + 1), dbm.weights(l)))
            .collect(),
        Model::Boltzmann(_) | Model::Network(_) => Vec::new(),
    }
}

/// Hidden units that are constants, of machines of layers.
fn saturated(model: &Model) -> Option<Check> {
    let pairs = pairs(model);
    let (mut constant, mut units) = (0, 0);
    for (l, (below, above, weights)) in pairs.iter().enumerate() {
        if !above.units.are(Kind::Bernoulli) || !below.units.are_binary() {
            continue;
        }
        // Of a deep Boltzmann machine the layer above moves the unit as well.
        let beyond = match model {
            Model::Dbm(_) => pairs.get(l + 1),
            _ => None,
        };
        units += above.size();
        for j in 0..above.size() {
            let bias = f64::from(above.bias[j]);
            let (mut low, mut high) = (bias, bias);
            let mut add = |w: f32| match w < 0.0 {
                true => low += f64::from(w),
                false => high += f64::from(w),
            };
            (0..below.size()).for_each(|i| add(weights.row(i)[j]));
            if let Some((_, _, weights)) = beyond {
                weights.row(j).iter().for_each(|&w| add(w));
            }
            constant += usize::from(high <= -SATURATED_INPUT || low >= SATURATED_INPUT);
        }
    }
    if units == 0 {
        return None;
    }
    let told = format!("{constant} of {units} binary hidden units are constant whatever they see");
    let verdict = match constant {
        0 => Verdict::Good,
        _ => Verdict::Odd,
    };
    Some(Check::new("saturated", verdict, told))
}

/// The error of fixed-point weights.
fn look_up(model: &Model) -> Option<Check> {
    let steps = match model {
        Model::Rbm(rbm) => vec![rbm.look_up_step()],
        Model::Dbn(dbn) => vec![dbn.top().look_up_step()],
        _ => return None,
    };
    let step = steps.into_iter().flatten().fold(0.0_f32, f32::max);
    let told = match step > 0.0 {
        false => "products are of the weights as they are".into(),
        true => format!(
            "fast products take weights that are off by at most {:.1e}",
            step / 2.0
        ),
    };
    Some(Check::new("look_up", Verdict::Good, told))
}

/// Data against the visible units.
fn against(model: &Model, data: &Examples) -> Check {
    let name = "data";
    let Some(layer) = visible(model) else {
        return Check::new(name, Verdict::Good, "a network takes any numbers");
    };
    let (units, columns) = (layer.size(), data.columns());
    if units != columns {
        let told = format!("{units} visible units, but {columns} values an example");
        return Check::new(name, Verdict::Wrong, told);
    }
    match wrong(layer, data.input()) {
        None => Check::new(
            name,
            Verdict::Good,
            format!("all values of {} examples are of the units", data.len()),
        ),
        Some((i, j, told)) => Check::new(
            name,
            Verdict::Wrong,
            format!("example {}, unit {j}: {told}", i + 1),
        ),
    }
}

fn visible(model: &Model) -> Option<&Layer> {
    match model {
        Model::Rbm(rbm) => Some(rbm.visible()),
        Model::Dbn(dbn) => Some(dbn.layer(0)),
        Model::Dbm(dbm) => Some(dbm.layer(0)),
        Model::Boltzmann(machine) => Some(machine.visible()),
        Model::Network(_) => None,
    }
}

/// The first value that is no state, and what was expected.
fn wrong(layer: &Layer, v: Input<'_>) -> Option<(usize, usize, String)> {
    for i in 0..v.rows() {
        for segment in layer.units.segments() {
            let mut sum = 0.0;
            for j in segment.range() {
                let x = v.get(i, j);
                sum += x;
                let (fits, expected) = match segment.kind {
                    Kind::Bernoulli | Kind::Softmax => ((0.0..=1.0).contains(&x), "0 to 1"),
                    Kind::Spin => (x.abs() == 1.0, "-1 or 1"),
                    Kind::Counts => (x >= 0.0 && x.fract() == 0.0, "0, 1, 2, ..."),
                    Kind::Relu => (x >= 0.0 && x.is_finite(), "a number of at least 0"),
                    Kind::Gaussian => (x.is_finite(), "a finite number"),
                };
                if !fits {
                    let told = format!("expected {expected} of a {} unit, found {x}", segment.kind);
                    return Some((i, j, told));
                }
            }
            if segment.kind == Kind::Softmax && (sum - 1.0).abs() > 1e-4 {
                let told = format!(
                    "expected a softmax group of {} that adds up to 1, found {sum}",
                    segment.size
                );
                return Some((i, segment.first, told));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Matrix,
        dataset::bars_and_stripes,
        model::{BoltzmannMachine, Dbm, Dbn, Rbm},
        units::Units,
    };

    fn verdicts(model: impl Into<Model>, data: Option<&Examples>) -> Vec<(&'static str, Verdict)> {
        let checks = verify(&model.into(), data);
        checks.into_iter().map(|x| (x.name, x.verdict)).collect()
    }

    #[test]
    fn good_machines_of_every_family_pass() {
        use Verdict::Good;
        let data = bars_and_stripes(3);
        let all = [
            ("finite", Good),
            ("normalizable", Good),
            ("saturated", Good),
        ];
        let rbm = Rbm::bernoulli(&[9, 4]).unwrap();
        let found = verdicts(rbm, Some(&data));
        assert_eq!(
            found,
            [&all[..], &[("look_up", Good), ("data", Good)]].concat()
        );
        let dbn = Dbn::bernoulli(&[9, 4, 3]).unwrap();
        let found = verdicts(dbn, Some(&data));
        assert_eq!(
            found,
            [&all[..], &[("look_up", Good), ("data", Good)]].concat()
        );
        let dbm = Dbm::bernoulli(&[9, 4, 3]).unwrap();
        let found = verdicts(dbm, Some(&data));
        assert_eq!(found, [&all[..], &[("data", Good)]].concat());
        let machine = BoltzmannMachine::bernoulli(&[9, 2]).unwrap();
        let found = verdicts(machine, None);
        assert_eq!(found, all[..2]);
    }

    #[test]
    fn what_is_wrong_is_found() {
        use Kind::{Gaussian, Softmax, Spin};
        let gaussian = |n| Layer::of(Gaussian, n);
        let weights = |x: f32| Matrix::from_fn(2, 1, |_, _| x);
        for (x, verdict) in [(0.7, Verdict::Good), (0.8, Verdict::Wrong)] {
            // The spectral norm is x times the root of 2.
            let rbm = Rbm::from_parameters([gaussian(2), gaussian(1)], [weights(0.0)]);
            let mut rbm = rbm.unwrap();
            *rbm.parameters_mut().0 = weights(x);
            assert_eq!(verdicts(rbm, None)[1], ("normalizable", verdict));
        }
        let mut rbm = Rbm::bernoulli(&[2, 1]).unwrap();
        *rbm.parameters_mut().0 = weights(f32::NAN);
        assert_eq!(verdicts(rbm, None), [("finite", Verdict::Wrong)]);
        // On the border of what its weights can undo.
        for (bias, verdict) in [(-12.9, Verdict::Good), (-13.1, Verdict::Odd)] {
            let rbm = Rbm::from_parameters([vec![0.0; 2], vec![bias]], [weights(1.5)]).unwrap();
            assert_eq!(verdicts(rbm, None)[2], ("saturated", verdict), "{bias}");
        }
        let data = |rows: Vec<Vec<f32>>| Examples::new(rows).unwrap();
        for (layer, rows, verdict) in [
            (Layer::bernoulli(2), vec![vec![0.0, 0.5]], Verdict::Good),
            (Layer::bernoulli(2), vec![vec![0.0, 1.5]], Verdict::Wrong),
            (Layer::of(Spin, 2), vec![vec![-1.0, 1.0]], Verdict::Good),
            (Layer::of(Spin, 2), vec![vec![-1.0, 0.0]], Verdict::Wrong),
            (Layer::of(Softmax, 2), vec![vec![0.0, 1.0]], Verdict::Good),
            (Layer::of(Softmax, 2), vec![vec![1.0, 1.0]], Verdict::Wrong),
            (
                Layer::of(Kind::Relu, 2),
                vec![vec![3.0, -1.0]],
                Verdict::Wrong,
            ),
            (gaussian(2), vec![vec![3.0, -1.0]], Verdict::Good),
            (gaussian(2), vec![vec![3.0, -1.0, 0.0]], Verdict::Wrong),
            (
                Layer::new(Units::of(Spin, 1).and(Gaussian, 1)),
                vec![vec![1.0, 7.0], vec![0.0, 7.0]],
                Verdict::Wrong,
            ),
        ] {
            let units = layer.units.to_string();
            let hidden = Layer::bernoulli(1);
            let rbm = Rbm::from_parameters([layer, hidden], [weights(0.1)]).unwrap();
            let found = verdicts(rbm, Some(&data(rows.clone())));
            assert_eq!(found.last(), Some(&("data", verdict)), "{units} {rows:?}");
        }
    }
}
