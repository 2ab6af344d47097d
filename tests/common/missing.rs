//! Examples of which values are missing.

use harmonium::{BitMatrix, Examples, Matrix, model::Layer, rng::HostRng, units::Kind};

/// A mask of `rows` examples of `layer`: each variable is missing with probability 0.4, a softmax
/// group as a whole; the first example is complete, the last one all missing.
pub fn mask(layer: &Layer, rows: usize, seed: u64) -> BitMatrix {
    let mut rng = HostRng::numbered(seed, 6);
    let mut mask = BitMatrix::zeros(rows, layer.size());
    for row in 0..rows {
        for s in layer.units.segments() {
            let of_group = rng.uniform() >= 0.4;
            for i in s.range() {
                let own = rng.uniform() >= 0.4;
                let is_there = if s.kind == Kind::Softmax {
                    of_group
                } else {
                    own
                };
                mask.set(row, i, row == 0 || is_there && row + 1 < rows);
            }
        }
    }
    mask
}

/// The same examples with other values, which are states, where they are missing.
pub fn with_other_values(data: &Examples, layer: &Layer, seed: u64) -> Examples {
    let other = super::units::random_values(layer, data.len(), seed);
    let mask = data.observed().expect("something is missing");
    let x = data.input();
    let values = Matrix::from_fn(data.len(), data.columns(), |i, j| {
        if mask.get(i, j) {
            x.get(i, j)
        } else {
            other.row(i)[j]
        }
    });
    let new = match layer.units.are_binary() {
        true => Examples::new(BitMatrix::from_matrix(&values).unwrap()).unwrap(),
        false => Examples::new(values).unwrap(),
    };
    new.with_observed(mask.clone()).unwrap()
}
