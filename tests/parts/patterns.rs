//! Data that are made.

use harmonium::{
    Examples,
    dataset::{bars_and_stripes, shifting_bar},
};
use std::collections::HashMap;

/// Summed log-likelihood of the examples under their own empirical distribution.
fn ceiling(examples: &Examples) -> f64 {
    let bits = examples.bits().unwrap();
    let n = bits.rows();
    let mut multiplicity = HashMap::new();
    for i in 0..n {
        *multiplicity.entry(bits.row(i)).or_insert(0_u32) += 1;
    }
    (0..n)
        .map(|i| (f64::from(multiplicity[bits.row(i)]) / n as f64).ln())
        .sum()
}

#[test]
fn ceilings_are_the_published_ones() {
    for (n, rows, expected) in [
        (2, 8, -13.862943611),
        (3, 16, -41.588830834),
        (4, 32, -108.130960167),
    ] {
        let examples = bars_and_stripes(n);
        assert_eq!((examples.len(), examples.columns()), (rows, n * n));
        assert!((ceiling(&examples) - expected).abs() < 1e-9);
    }
    for width in 1..9 {
        let examples = shifting_bar(9, width);
        assert_eq!((examples.len(), examples.columns()), (9, 9));
        assert!((ceiling(&examples) + 9.0 * 9.0_f64.ln()).abs() < 1e-12);
        assert_eq!(examples.bits().unwrap().count_ones(), 9 * width as u64);
    }
    assert!((ceiling(&shifting_bar(9, 1)) + 19.775).abs() < 5e-4);
}

#[test]
fn every_image_is_constant_along_rows_or_along_columns() {
    let n = 3;
    let examples = bars_and_stripes(n);
    let bits = examples.bits().unwrap();
    for i in 0..bits.rows() {
        let constant = |turned: bool| {
            (0..n).all(|a| {
                (0..n).all(|b| {
                    let (p, q) = if turned {
                        (b * n + a, a)
                    } else {
                        (a * n + b, a * n)
                    };
                    bits.get(i, p) == bits.get(i, q)
                })
            })
        };
        assert!(constant(i >= 8));
    }
}

#[test]
#[should_panic(expected = "1 to n - 1")]
fn a_bar_that_fills_the_ring_is_refused() {
    shifting_bar(4, 4);
}
