//! Means of examples.

use harmonium::{Examples, dataset::Binarization, matrix::Matrix};

fn gray(rows: usize, columns: usize) -> Examples {
    let x = |i: usize, j: usize| ((i * 31 + j * 17) % 11) as f32 / 10.0;
    Examples::new(Matrix::from_fn(rows, columns, x)).unwrap()
}

#[test]
fn mean_of_bits_is_the_mean_of_the_same_numbers() {
    let bits = gray(50, 70).binarized(Binarization::Threshold(0.4), 0, 0);
    let real = Examples::new(bits.bits().unwrap().to_matrix()).unwrap();
    assert_eq!(bits.mean(), real.mean());
    let mean = gray(11, 1).mean();
    assert!(
        (mean[0] - 0.5).abs() < 1e-7,
        "0, 0.1 ... 1 in some order: {mean:?}"
    );
    assert_eq!(gray(3, 2).head(0).mean(), [0.0, 0.0]);
    // Back to bits without being told how.
    assert_eq!(real.binarized(Binarization::None, 0, 0).bits(), bits.bits());
}
