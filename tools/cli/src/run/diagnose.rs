//! `harmonium evaluate --diagnose`: how well chains of a model mix.

use crate::{
    failure::Outcome,
    run::chains::Start,
    run::machine::Machine,
    show::{
        figures::Figures,
        pictures::{first_rows, starts},
        progress::Bar,
    },
};
use harmonium::{
    BitMatrix, Examples,
    evaluate::{
        AutocorrelationTime, ModeJumps, integrated_autocorrelation_time, nearest_templates,
    },
};

/// Modes that are told apart where the data have no labels.
const TEMPLATES: usize = 10;
/// Examples among which they are looked for.
const CANDIDATES: usize = 1000;

/// What Gibbs chains that start from examples do.
#[derive(Debug)]
pub struct Diagnosis {
    chains: usize,
    burn_in: usize,
    sweeps: usize,
    /// The figure whose memory is watched.
    energy: &'static str,
    /// Of it; nothing where it never changed or chains are too short.
    time: Option<AutocorrelationTime>,
    /// Between the templates, and what these are; for machines of binary visible units.
    jumps: Option<(ModeJumps, String)>,
}

impl Diagnosis {
    /// Of `chains` chains from the first examples (over and over if there are fewer), watched for
    /// `sweeps` sweeps after `burn_in`. A chain is in the mode whose template is nearest in Hamming
    /// distance.
    ///
    /// # Errors
    /// Those of the library.
    pub fn measure(
        machine: &dyn Machine,
        examples: &Examples,
        (chains, burn_in, sweeps): (usize, usize, usize),
        seed: u64,
    ) -> Outcome<Self> {
        let starts = starts(examples, chains);
        let states = examples.states().take(&starts);
        let binary = machine.layers()[0].units.are_binary();
        let templates = binary.then(|| templates(examples));
        let mut jumps = ModeJumps::default();
        let mut series = vec![Vec::with_capacity(sweeps); chains];
        let mut gibbs = machine.chains(&Start {
            args: None,
            count: chains,
            seed,
            states: Some(states),
            held: None,
            label: None,
        })?;
        let bar = Bar::new((burn_in + sweeps) as u64, "watching chains");
        for k in 0..burn_in + sweeps {
            gibbs.sweep(1.0)?;
            bar.set(k as u64 + 1);
            if k < burn_in {
                continue;
            }
            let energies = gibbs.energies()?;
            series
                .iter_mut()
                .zip(energies)
                .for_each(|(to, x)| to.push(x));
            let visible = gibbs.visible()?;
            if let (Some((templates, _)), Some(v)) = (&templates, visible.bits()) {
                jumps.observe(&nearest_templates(v.view(), templates.view())?)?;
            }
        }
        bar.clear();
        Ok(Self {
            chains,
            burn_in,
            sweeps,
            energy: gibbs.energy(),
            time: integrated_autocorrelation_time(&series).ok(),
            jumps: templates.map(|(_, what)| (jumps, what)),
        })
    }

    /// What reports tell.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        let (chains, sweeps, burn_in) = (self.chains, self.sweeps, self.burn_in);
        figures
            .put("diagnosed_chains", chains)
            .put("diagnosed_sweeps", sweeps)
            .put("diagnosed_burn_in", burn_in);
        autocorrelation(
            &mut figures,
            "autocorrelation time",
            self.time,
            &format!(
                "of the {}, {chains} chains from data, {sweeps} sweeps after {burn_in}",
                self.energy
            ),
        );
        if let Some((jumps, modes)) = &self.jumps {
            let (rate, stuck) = (jumps.rate(), jumps.stuck());
            figures
                .put("mode_jumps", jumps.jumps().iter().sum::<u64>())
                .put("mode_jump_rate", rate)
                .put("stuck_chains", stuck)
                .put("modes", modes.clone())
                .row(
                    "mode jumps",
                    format!("{rate:.4} a sweep"),
                    format!("{stuck} of {chains} chains never; modes are {modes}"),
                );
        }
        figures
    }
}

/// How long chains remember, in sweeps.
pub fn autocorrelation(
    figures: &mut Figures,
    name: &str,
    time: Option<AutocorrelationTime>,
    of: &str,
) {
    figures
        .put("autocorrelation_time", time.map(|t| t.time))
        .put("autocorrelation_time_error", time.map(|t| t.standard_error))
        .put(
            "autocorrelation_long_enough",
            time.is_some_and(|t| t.long_enough),
        );
    let text = match time {
        Some(t) if t.long_enough => format!("{:.1} ± {:.1} sweeps", t.time, t.standard_error),
        Some(t) => format!("at least {:.1} sweeps", t.time),
        None => "unknown".into(),
    };
    figures.row(name, text, of);
}

/// States that stand for modes: of labeled data the mean of each class, cut at one half; else
/// examples far from one another, each the one farthest from those before it.
fn templates(examples: &Examples) -> (BitMatrix, String) {
    if let (Some(labels), Some(classes)) = (examples.labels(), examples.classes()) {
        let n = examples.columns();
        let mut sums = vec![vec![0.0_f64; n]; classes];
        let mut counts = vec![0.0_f64; classes];
        for (row, &label) in first_rows(examples, examples.len()).iter().zip(labels) {
            let class = label as usize;
            counts[class] += 1.0;
            let sums = sums[class].iter_mut().zip(row);
            sums.for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let there: Vec<usize> = (0..classes).filter(|&y| counts[y] > 0.0).collect();
        let means = BitMatrix::from_fn(there.len(), n, |k, j| {
            sums[there[k]][j] > 0.5 * counts[there[k]]
        });
        return (means, format!("the means of {} classes", there.len()));
    }
    let some = first_rows(examples, CANDIDATES);
    let distance = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .filter(|(a, b)| (**a > 0.5) != (**b > 0.5))
            .count()
    };
    let mut chosen = vec![0];
    let mut nearest: Vec<usize> = some.iter().map(|x| distance(x, &some[0])).collect();
    while chosen.len() < TEMPLATES {
        // Of equally far ones the first.
        let Some((next, &far)) = nearest
            .iter()
            .enumerate()
            .max_by_key(|&(k, &d)| (d, usize::MAX - k))
        else {
            break;
        };
        if far == 0 {
            break;
        }
        chosen.push(next);
        for (d, x) in nearest.iter_mut().zip(&some) {
            *d = (*d).min(distance(x, &some[next]));
        }
    }
    let n = examples.columns();
    let rows = BitMatrix::from_fn(chosen.len(), n, |k, j| some[chosen[k]][j] > 0.5);
    let what = format!("{} examples far from one another", chosen.len());
    (rows, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_classes_or_far_apart() {
        let bits = BitMatrix::from_fn(6, 4, |i, j| {
            [0b0000, 0b0001, 0b1111, 0b1110, 0b0011, 0b0000][i] >> j & 1 == 1
        });
        let plain = Examples::new(bits.clone()).unwrap();
        let (far, _) = templates(&plain);
        // From 0000: 1111 is 4 away; then 0011 is 2 from both; then 0001 and 1110, 1 from their
        // nearest; then no other.
        assert_eq!(far.rows(), 5);
        assert!((0..4).all(|j| !far.get(0, j) && far.get(1, j)));
        assert!(far.get(2, 0) && far.get(2, 1) && !far.get(2, 2));
        let labeled = Examples::new(bits)
            .unwrap()
            .with_labels(vec![0, 0, 2, 2, 0, 0])
            .unwrap();
        let (means, what) = templates(&labeled);
        // Of class 0 no bit is on in more than half; of class 2 bits 1 to 3 are.
        assert_eq!((means.rows(), what.contains("2 classes")), (2, true));
        assert!((0..4).all(|j| !means.get(0, j)) && (1..4).all(|j| means.get(1, j)));
    }

    /// Without weights every sweep is an independent draw: tau is 1, and a chain leaves its mode as
    /// often as two draws differ.
    #[test]
    fn independent_draws_have_no_memory() {
        let bits = BitMatrix::from_fn(2, 8, |i, _| i == 1);
        let examples = Examples::new(bits).unwrap();
        let rbm = harmonium::Rbm::from_parameters(
            [(0..8).map(|i| 0.1 * i as f32).collect(), vec![0.0; 2]],
            [harmonium::Matrix::zeros(8, 2)],
        )
        .unwrap();
        let model = rbm.into();
        let machine = crate::kinds::machine(&model);
        let found = Diagnosis::measure(&*machine, &examples, (20, 1, 2000), 3).unwrap();
        let time = found.time.unwrap();
        assert!(
            (time.time - 1.0).abs() < 4.0 * time.standard_error,
            "{time:?}"
        );
        // p: of more than four ones (four are as near to the first template, which counts).
        let mut ones = [0.0; 9];
        for state in 0..256_usize {
            let p = |i: usize| 1.0 / (1.0 + (-0.1 * i as f64).exp());
            let of = (0..8).map(|i| {
                if state >> i & 1 == 1 {
                    p(i)
                } else {
                    1.0 - p(i)
                }
            });
            ones[state.count_ones() as usize] += of.product::<f64>();
        }
        let p: f64 = ones[5..].iter().sum();
        let expected = 2.0 * p * (1.0 - p);
        let (jumps, _) = found.jumps.unwrap();
        // 20 x 1999 pairs of draws; neighboring pairs share one, which at most triples the
        // variance: 4 standard deviations.
        let error = (3.0 * expected * (1.0 - expected) / (20.0 * 1999.0)).sqrt();
        assert!(
            (jumps.rate() - expected).abs() < 4.0 * error,
            "{} {expected}",
            jumps.rate()
        );
        assert_eq!(jumps.stuck(), 0);
    }
}
