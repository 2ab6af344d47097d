//! What reports tell of a machine that was measured.

use super::figures::Figures;
use crate::args::Split;
use harmonium::{
    evaluate::{
        Bracket, DEAD_BELOW, HiddenActivity, LogZ, Perplexity, RESPONDING_ABOVE, ReverseStart,
        SATURATED_ABOVE,
    },
    model::{Convergence, MeanField},
    recipe::{Annealed, Mean, Measures, Observed, Partition, Raised},
};

/// All that was measured, of the examples of `split`.
pub fn figures(measures: &Measures, split: Split) -> Figures {
    let mut figures = Figures::default();
    if measures.count > 0 {
        figures
            .put("count", measures.count)
            .put("split", split.name());
    }
    likelihoods(&mut figures, measures, split);
    if let Some(samples) = measures.bound_samples {
        figures.put("bound_samples", samples);
    }
    if let Some((mean, count)) = measures.pseudo_likelihood {
        let of = format!("of {count} {} examples", split.name());
        figures.nats("pseudo_likelihood", "pseudo-likelihood", mean, of);
    }
    if let Some(done) = measures.mean_field {
        mean_field(&mut figures, done);
    }
    let of_layer = |hidden: &harmonium::evaluate::PosteriorActivity| {
        (hidden.responding(RESPONDING_ABOVE), hidden.mean.len())
    };
    let responding: Vec<(usize, usize)> = measures.posterior.iter().map(of_layer).collect();
    for (l, (responding, all)) in (1..).zip(&responding) {
        let of = format!(
            "of {all}: posterior means that vary by more than {RESPONDING_ABOVE} over the examples"
        );
        figures.row(
            &format!("hidden layer {l}"),
            format!("{responding} units respond"),
            of,
        );
    }
    if !responding.is_empty() {
        let responding: Vec<usize> = responding.iter().map(|x| x.0).collect();
        figures.put("responding_units", responding);
    }
    given_observed(&mut figures, measures);
    if let Some(raised) = &measures.raise {
        raise(&mut figures, raised, split);
    }
    if let Some(activity) = &measures.activity {
        hidden_units(&mut figures, activity);
    }
    if let Some((_, annealed)) = &measures.partition.annealed {
        figures.warnings(&annealed.warnings());
    }
    figures
}

/// The likelihood and the bound, whichever there are, and what they are of.
fn likelihoods(figures: &mut Figures, measures: &Measures, split: Split) {
    let is_exact = measures.partition.annealed.is_none();
    let is_of = match (measures.observed, measures.with_label) {
        (None, true) => "ln p(v, y)",
        (None, false) if measures.perplexity.is_some() => "ln p(words | length)",
        (None, false) => "ln p(v)",
        (Some(Observed::Absent), _) => {
            "ln p(v_observed), each example under the machine of its units"
        }
        (Some(_), true) => "ln p(v_observed, y)",
        (Some(_), false) => "ln p(v_observed)",
    };
    let is_annealed = matches!(measures.observed, Some(Observed::Annealed(_)));
    let mut told = |key: [&str; 2], what: &str, x: Mean, how: &str, of: &str| {
        let name = format!("{} {what}", split.name());
        let interval = match is_exact {
            true if is_annealed => format!("of {is_of}, exact ln Z"),
            true => format!("of {is_of}, {how}"),
            false => format!("of {is_of}, interval {:.2} .. {:.2}", x.low, x.high),
        };
        figures.put("log_likelihood_of", is_of);
        figures.nats(key[0], &name, x.mean, interval);
        let of = format!("of the mean over {} examples{of}", measures.count);
        figures.nats(key[1], "standard error", x.standard_error, of);
    };
    if let Some(x) = measures.likelihood {
        let keys = ["mean_log_likelihood", "standard_error"];
        told(keys, "log-likelihood", x, "exact", " and of ln Z");
    }
    if let Some(x) = measures.bound {
        let keys = ["lower_bound", "lower_bound_error"];
        told(keys, "lower bound", x, "exact ln Z", "");
        figures.put("lower_bound_low", x.low);
        figures.put("lower_bound_high", x.high);
    }
    if let Some(x) = measures.perplexity {
        perplexity(figures, x);
    }
}

/// `ln Z`, and how what is missing was summed over.
fn given_observed(figures: &mut Figures, measures: &Measures) {
    if let Some(Observed::Annealed(chains)) = measures.observed {
        figures.put("observed_chains", chains).row(
            "what is missing",
            format!("{chains} chains an example"),
            "annealed with what was observed held; on average ln p is underestimated",
        );
    }
    // Machines of their own have a ln Z each.
    if measures.observed == Some(Observed::Absent) {
        figures.put("method", "exact");
    } else {
        let of_lengths = measures.log_z_of_rows.is_some();
        figures.extend(partition(&measures.partition, of_lengths));
    }
}

/// How mean field with its defaults ended.
pub fn mean_field(figures: &mut Figures, done: Convergence) {
    let remark = match done.is_within(&MeanField::default()) {
        true => "at most",
        false => "the limit",
    };
    figures
        .put("mean_field_iterations", done.iterations)
        .put("mean_field_change", done.change)
        .row(
            "mean field",
            format!("{} iterations", done.iterations),
            format!("{remark}, last change {:.0e}", done.change),
        );
}

fn hidden_units(figures: &mut Figures, activity: &HiddenActivity) {
    let (dead, saturated) = (
        activity.dead(DEAD_BELOW),
        activity.saturated(SATURATED_ABOVE),
    );
    figures
        .put("dead_hidden_units", dead)
        .put("saturated_hidden_units", saturated)
        .row(
            "hidden units",
            format!("{dead} dead"),
            format!(
                "and {saturated} saturated of {}: on for less than {DEAD_BELOW} or more than {SATURATED_ABOVE} of the data",
                activity.mean.len()
            ),
        );
}

/// Of counts: of the machine and of independent words.
fn perplexity(figures: &mut Figures, [machine, independent]: [Perplexity; 2]) {
    let remark = format!(
        "a word, exp of minus the mean of ln p / length; {:.2} of all words together; {:.2} of independent words",
        machine.of_words, independent.of_rows
    );
    figures
        .put("perplexity", machine.of_rows)
        .put("perplexity_of_all_words", machine.of_words)
        .put("perplexity_of_independent_words", independent.of_rows)
        .put("words", machine.words)
        .row("perplexity", format!("{:.2}", machine.of_rows), remark);
}

fn raise(figures: &mut Figures, raised: &Raised, split: Split) {
    let Raised { raise, chains, gap } = raised;
    let (mean, error) = raise.mean();
    let count = raise.log_likelihoods.len();
    let mut remark = format!(
        "conservative, of {count} {} examples, {chains} chains each",
        split.name()
    );
    if let Some((gap, error)) = gap {
        remark += &format!("; the likelihood with ln Z is {gap:.2} +- {error:.2} more");
        figures
            .put("raise_gap", *gap)
            .put("raise_gap_error", *error);
    }
    figures.nats("raise_mean_log_likelihood", "RAISE", mean, remark);
    figures
        .put("raise_standard_error", error)
        .put("raise_count", count)
        .put("raise_chains", *chains);
}

/// `ln Z`, or the mean of those of the lengths of the examples, and how it was found.
fn partition(z: &Partition, of_lengths: bool) -> Figures {
    let mut figures = Figures::default();
    figures.put("log_z", z.log_z);
    figures.put("log_z_low", z.low).put("log_z_high", z.high);
    let Some((ais, annealed)) = &z.annealed else {
        figures.put("method", "exact");
        let how = match of_lengths {
            true => "by enumeration, the mean of those of the examples' lengths",
            false => "by enumeration",
        };
        figures.row("ln Z", format!("{:.4} nats", z.log_z), how);
        return figures;
    };
    let forward = annealed.forward();
    let of = |z: &LogZ| {
        format!(
            "interval {:.2} .. {:.2}, effective sample size {:.0}",
            z.low, z.high, z.effective_sample_size
        )
    };
    let mut how = format!(
        "AIS of {} chains and {} temperatures, ",
        ais.chains,
        ais.betas.steps(),
    );
    let estimate = match annealed {
        Annealed::Lengths(all) => {
            figures.put("lengths", all.len());
            how += &format!(
                "each of {} lengths, the mean over the examples; effective sample size {:.0} at least",
                all.len(),
                forward.effective_sample_size
            );
            z.log_z
        }
        _ => {
            how += &of(forward);
            forward.estimate
        }
    };
    figures
        .put("method", "ais")
        .put("chains", ais.chains)
        .put("betas", ais.betas.steps())
        .put("seed", ais.seed)
        .put("effective_sample_size", forward.effective_sample_size)
        .row("ln Z", format!("{estimate:.2} nats"), how);
    if let Annealed::Both(start, bracket) = annealed {
        both(&mut figures, start, bracket, of);
    }
    figures
}

/// What the reverse direction adds.
fn both(
    figures: &mut Figures,
    start: &ReverseStart,
    bracket: &Bracket,
    of: impl Fn(&LogZ) -> String,
) {
    let Bracket {
        forward,
        reverse,
        bennett,
        ..
    } = bracket;
    let (name, from) = match start {
        ReverseStart::Exact => ("exact", "from exact draws".to_owned()),
        ReverseStart::Gibbs { burn_in, .. } => {
            ("gibbs", format!("from data after {burn_in} sweeps"))
        }
        ReverseStart::Annealed { burn_in } => (
            "annealed",
            format!("from annealed states after {burn_in} sweeps"),
        ),
    };
    figures
        .put("log_z_forward", forward.estimate)
        .put("log_z_forward_error", forward.standard_error)
        .put("log_z_reverse_error", reverse.standard_error)
        .put("log_z_bar_error", bennett.standard_error)
        .put("log_z_overlap", bennett.overlap)
        .put(
            "reverse_effective_sample_size",
            reverse.effective_sample_size,
        )
        .put("reverse_start", name)
        .put("burn_in", start.burn_in());
    let remark = format!("{from}, {}", of(reverse));
    figures.nats("log_z_reverse", "ln Z, reverse", reverse.estimate, remark);
    let remark = format!(
        "standard error {:.3}, overlap {:.2}",
        bennett.standard_error, bennett.overlap
    );
    figures.nats("log_z_bar", "ln Z, Bennett", bennett.estimate, remark);
    figures.row(
        "bracket",
        format!("{:.2} .. {:.2}", bracket.low(), bracket.high()),
        "of ln Z: forward low .. reverse high",
    );
}
