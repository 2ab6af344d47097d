//! What programs call, on every instruction set: samples, means, sums, chains and likelihoods.

use crate::{
    common::{linear, normal_rbm},
    on_every_set, same_on_every_set,
};
use harmonium::{
    bits::BitMatrix,
    kernel::{activation, bernoulli},
    matrix::Matrix,
    rng::{Draws, HostRng, Site},
    simd::{Isa, MultiplyAdd},
};

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// Means, samples and free energies of rows of bits, by look-up and in f32, few of them and many;
/// chains over them.
#[test]
fn rows_of_bits_have_the_same_outputs_on_every_set() {
    for (n, m, rows) in [(20, 9, 30), (150, 70, 1), (150, 70, 40), (300, 130, 250)] {
        let rbm = normal_rbm(n, m, 0.2, 7);
        let mut rng = HostRng::numbered(5, 93);
        let v = BitMatrix::from_fn(rows, n, |_, _| rng.uniform() < 0.3);
        same_on_every_set(|_| {
            let means = rbm.mean_h_from_v(&v, 0.7).unwrap();
            let energies = rbm.free_energy(&v, 0.7).unwrap();
            let mut chains = rbm.chains(rows, 3).unwrap();
            chains.sweep(&rbm, 5, 1.0).unwrap();
            let energies: Vec<u64> = energies.iter().map(|x| x.to_bits()).collect();
            let all: Vec<f32> = means.elements().collect();
            (bits(&all), energies, chains.visible().clone())
        });
    }
}

/// Exponentials in vectors and out of them, at the edges of vectors; draws with their ties.
#[test]
fn means_and_draws_are_the_same_on_every_set() {
    let mut rng = HostRng::numbered(6, 94);
    for n in [1, 7, 8, 9, 15, 16, 17, 33, 1000] {
        let x: Vec<f32> = (0..n).map(|_| 6.0 * rng.normal() as f32).collect();
        same_on_every_set(|_| {
            let (mut p, mut q) = (x.clone(), x.clone());
            activation::sigmoid(&mut p);
            activation::softplus(&mut q);
            let mean = Matrix::from_slice(&p, 1, n).unwrap();
            let mut drawn = BitMatrix::zeros(1, n);
            bernoulli::draw(mean.view(), Draws::new(4, Site::Gibbs, 9), drawn.view_mut());
            (bits(&p), bits(&q), drawn)
        });
    }
}

/// Annealing, whose weights are sums of softplus of many steps.
#[test]
fn log_partition_functions_are_the_same_on_every_set() {
    let rbm = normal_rbm(70, 40, 0.3, 8);
    same_on_every_set(|_| {
        let log_z = linear(30, 200, 5).log_z(&rbm, &mut ()).unwrap();
        let weights = log_z.log_weights.iter();
        weights.map(|x| x.to_bits()).collect::<Vec<_>>()
    });
}

/// Real values against weights: sets that multiply and add in one rounding agree with each other.
#[test]
fn real_values_have_the_same_outputs_on_sets_that_round_alike() {
    let rbm = normal_rbm(300, 60, 0.2, 9);
    let v = Matrix::from_fn(20, 300, |i, j| ((i * 7 + j * 3) % 11) as f32 / 10.0);
    let all = on_every_set(|isa| {
        let means = rbm.mean_h_from_v(&v, 1.0).unwrap();
        let all: Vec<f32> = means.elements().collect();
        (isa, bits(&all))
    });
    let alike = |how| {
        let of = all.iter().filter(move |(isa, _)| isa.multiply_add() == how);
        of.map(|(_, x)| x).collect::<Vec<_>>()
    };
    for how in [MultiplyAdd::Fused, MultiplyAdd::Separate] {
        assert!(
            alike(how).windows(2).all(|pair| pair[0] == pair[1]),
            "{how}"
        );
    }
    assert_eq!(Isa::Avx2.multiply_add(), Isa::Avx512.multiply_add());
}
