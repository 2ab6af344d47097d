//! A spurious mode that contrastive divergence leaves, and that chains of their own remove; exact
//! figures.
//!
//! ```text
//! cargo run --release --example spurious_modes
//! ```
//!
//! A machine that first learned three patterns goes on learning from two of them.
//! `harmonium demo spurious-modes` draws the same.

use harmonium::{
    BitMatrix, Examples, Learning, Negative, Rbm, RbmOptions, RbmTraining, Result, Schedule,
    train::Reconstruction,
};
use std::ops::ControlFlow;

const UNITS: usize = 9;
/// The patterns of the data; the last is the one that they lose.
const PATTERNS: [usize; 3] = [0b000_000_111, 0b000_111_000, 0b111_000_000];

fn main() -> Result<()> {
    let (former, data) = (examples(&PATTERNS)?, examples(&PATTERNS[..2])?);
    let start = Rbm::bernoulli(&[UNITS, 8])?.initialized_from(&former, 0)?;
    let start = trained(&start, Negative::Exact, &former)?;
    let (steps, chains) = (1, 100);
    let reconstruction = Reconstruction::Sampled;
    let cd = Negative::ContrastiveDivergence {
        steps,
        reconstruction,
    };
    let ways = [
        ("CD-1", cd),
        ("PCD-1", Negative::Persistent { chains, steps }),
        ("exact", Negative::Exact),
    ];
    println!("{:8} {:>13}", "", "spurious mass");
    println!("{:8} {:13.4}", "before", spurious_mass(&start)?);
    for (name, negative) in ways {
        let mass = spurious_mass(&trained(&start, negative, &data)?)?;
        println!("{name:8} {mass:13.4}");
    }
    Ok(())
}

/// 40 copies of each pattern, and the pattern with each of its units flipped.
fn examples(patterns: &[usize]) -> Result<Examples> {
    let of_pattern = |&pattern: &usize| {
        let flipped = (0..UNITS).map(move |i| pattern ^ 1 << i);
        std::iter::repeat_n(pattern, 40).chain(flipped)
    };
    let states: Vec<usize> = patterns.iter().flat_map(of_pattern).collect();
    let bits = BitMatrix::from_fn(states.len(), UNITS, |k, i| states[k] >> i & 1 == 1);
    Examples::new(bits)
}

fn trained(start: &Rbm, negative: Negative, data: &Examples) -> Result<Rbm> {
    let options = RbmOptions {
        negative,
        learning: Learning {
            epochs: 3000,
            batch_size: data.len(),
            learning_rate: Schedule::Linear { from: 0.1, to: 0.0 },
            ..Learning::default()
        },
        ..RbmOptions::default()
    };
    let mut run = RbmTraining::new(start.clone(), options, data)?;
    let _ended = run.run(data, |_| ControlFlow::Continue(()))?;
    Ok(run.into_result())
}

/// The exact probability of the states more than two units from both patterns that are left.
fn spurious_mass(rbm: &Rbm) -> Result<f64> {
    let is_far = |x: usize| PATTERNS[..2].iter().all(|p| (x ^ p).count_ones() > 2);
    let p = rbm.visible_distribution(1.0, &mut ())?;
    Ok((0..p.len()).filter(|&x| is_far(x)).map(|x| p[x]).sum())
}
