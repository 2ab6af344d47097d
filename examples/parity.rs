//! Latent units at work: parity of four bits, which no fully visible Boltzmann machine can learn,
//! with exact figures.
//!
//! ```text
//! cargo run --release --example parity
//! ```
//!
//! The eight states of even parity have the means 1/2 and the pair moments 1/4 of fair coins. A
//! fully visible machine of maximum likelihood has the moments of the data, and fair coins are such
//! a machine: its distribution is uniform over 16 states, `KL(data || model) = ln(16 / 8) = ln 2`.
//! With latent units a Boltzmann machine is a universal approximator of distributions over bits (Le
//! Roux and Bengio 2008).

use harmonium::{
    BitMatrix, BoltzmannMachine, Examples, Result,
    rng::HostRng,
    train::{BoltzmannOptions, BoltzmannTraining, Learning, Negative, Positive, Rule},
};
use std::ops::ControlFlow;

const BITS: usize = 4;

fn main() -> Result<()> {
    let even: Vec<usize> = (0..1_usize << BITS)
        .filter(|x| x.count_ones() % 2 == 0)
        .collect();
    let bits = BitMatrix::from_fn(even.len(), BITS, |k, i| even[k] >> i & 1 == 1);
    let data = Examples::new(bits)?;
    println!("latent units   KL(data || model), nats");
    let mut table = Vec::new();
    for latent in 0..=4 {
        let options = BoltzmannOptions {
            positive: Positive::Exact,
            negative: Negative::Exact,
            learning: Learning {
                epochs: 1500,
                learning_rate: 0.05.into(),
                optimizer: Rule::ADAM,
                ..Learning::default()
            },
        };
        let start = random_machine(latent)?;
        let mut run = BoltzmannTraining::new(start, options, &data)?;
        let _ = run.run(&data, |_| ControlFlow::Continue(()))?;
        let p = run.model().visible_distribution(1.0, &mut ())?;
        let share = 1.0 / even.len() as f64;
        let kl: f64 = even.iter().map(|&x| share * (share / p[x]).ln()).sum();
        println!("{latent:12}   {kl:.6}");
        table.push((latent, p));
    }
    println!("\nln 2 = {:.6}\n", std::f64::consts::LN_2);
    println!("state  data    0 latent  4 latent");
    for x in 0..1_usize << BITS {
        let share = f64::from(u8::from(even.contains(&x))) / even.len() as f64;
        let (without, with) = (table[0].1[x], table[4].1[x]);
        println!("{x:04b}   {share:.4}  {without:.4}    {with:.4}");
    }
    Ok(())
}

/// All pairs coupled at random: near zero weights the gradient of what pairs cannot express
/// vanishes.
fn random_machine(latent: usize) -> Result<BoltzmannMachine> {
    let mut rng = HostRng::numbered(1, 0);
    let units = BITS + latent;
    let pairs = (0..units).flat_map(|i| (i + 1..units).map(move |j| (i, j)));
    let edges: Vec<_> = pairs
        .map(|(i, j)| (i, j, (0.5 * rng.normal()) as f32))
        .collect();
    BoltzmannMachine::from_edges(BITS, latent, &edges)
}
