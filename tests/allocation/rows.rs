//! Calls on a row of bits or a few, on a thread that is in no pool.

use super::{COUNTS, counted};
use harmonium::{BitMatrix, Matrix, Rbm, rng::HostRng};
use std::thread;

const N_VISIBLE: usize = 784;
const N_HIDDEN: usize = 500;

fn machine() -> Rbm {
    let mut rng = HostRng::numbered(3, 71);
    let mut draw = || 0.1 * rng.normal() as f32;
    let weights = Matrix::from_fn(N_VISIBLE, N_HIDDEN, |_, _| draw());
    let layers = [N_VISIBLE, N_HIDDEN].map(|n| (0..n).map(|_| draw()).collect::<Vec<_>>());
    Rbm::from_parameters(layers, [weights]).unwrap()
}

/// They are what the same rows are among a hundred, to the bit.
pub(super) fn calls() {
    let rbm = machine();
    let v = BitMatrix::from_fn(100, N_VISIBLE, |i, j| (i * 3 + j * 7) % 11 < 2);
    let means = rbm.mean_h_from_v(&v, 1.0).unwrap();
    let free = rbm.free_energy(&v, 1.0).unwrap();
    let work = || {
        COUNTS.set(true);
        let mut before = 0;
        for count in [1, 3] {
            let mut out = Matrix::zeros(count, N_HIDDEN);
            let mut energies = vec![0.0; count];
            for (k, row) in (0..v.rows() - count).enumerate() {
                let part = v.view_rows(row..row + count);
                rbm.mean_h_from_v_into(part, 1.0, &mut out).unwrap();
                rbm.free_energy_into(part, 1.0, &mut energies).unwrap();
                for i in 0..count {
                    assert_eq!(out.row(i), means.row(row + i));
                }
                assert_eq!(energies, free[row..row + count]);
                if k == 0 {
                    before = counted();
                }
            }
            assert_eq!(counted(), before, "{count} rows");
        }
    };
    thread::scope(|scope| scope.spawn(work).join().unwrap());
}
