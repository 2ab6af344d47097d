//! Matrices of bits.

use harmonium::{BitMatrix, Matrix};
use proptest::prelude::*;

fn pattern(i: usize, j: usize) -> bool {
    (i * 7 + j * 13 + i * j) % 5 < 2
}

proptest! {
    #[test]
    fn conversion_transpose_and_counts_agree_with_single_bits(rows in 0_usize..140, columns in 0_usize..140) {
        let bits = BitMatrix::from_fn(rows, columns, pattern);
        prop_assert!(bits.padding_is_zero());
        prop_assert_eq!(&BitMatrix::from_matrix(&bits.to_matrix()).unwrap(), &bits);
        let turned = bits.transposed();
        prop_assert!(turned.padding_is_zero());
        prop_assert_eq!(&turned, &BitMatrix::from_fn(columns, rows, |i, j| pattern(j, i)));
        let mut counts = vec![0; columns];
        bits.column_counts_into(&mut counts);
        for (j, &count) in counts.iter().enumerate() {
            prop_assert_eq!(count as usize, (0..rows).filter(|&i| pattern(i, j)).count());
        }
        prop_assert_eq!(bits.count_ones(), counts.iter().map(|&c| u64::from(c)).sum::<u64>());
        for i in 0..rows {
            let ones: Vec<_> = bits.view().ones(i).collect();
            prop_assert_eq!(ones, (0..columns).filter(|&j| pattern(i, j)).collect::<Vec<_>>());
        }
    }
}

#[test]
fn split_views_share_no_word() {
    let mut bits = BitMatrix::zeros(4, 130);
    let (left, right) = bits.view_mut().split_at_column(64);
    let (mut upper, mut lower) = right.split_at_row(1);
    upper.row_mut(0)[0] = u64::MAX;
    lower.row_mut(2)[1] = 3;
    assert_eq!(left.columns(), 64);
    assert_eq!(bits.count_ones(), 66);
    assert!(bits.get(3, 129) && bits.padding_is_zero());
    assert_eq!(bits.view_rows(3..4).to_owned().count_ones(), 2);
}

#[test]
fn rows_swap_and_masked_bits_are_assigned() {
    let mut bits = BitMatrix::from_fn(5, 130, pattern);
    bits.swap_rows(1, 4);
    let swapped = |i| [0, 4, 2, 3, 1][i];
    assert_eq!(
        bits,
        BitMatrix::from_fn(5, 130, |i, j| pattern(swapped(i), j))
    );
    let mask = BitMatrix::from_fn(1, 130, |_, j| j % 3 == 0);
    let values = BitMatrix::from_fn(5, 130, |i, j| (i + j) % 2 == 0);
    bits.assign_masked(values.view(), mask.view());
    let expected = |i: usize, j: usize| match j % 3 {
        0 => (i + j).is_multiple_of(2),
        _ => pattern(swapped(i), j),
    };
    assert_eq!(bits, BitMatrix::from_fn(5, 130, expected));
    assert!(bits.padding_is_zero());
}

#[test]
fn from_matrix_refuses_gray() {
    assert!(BitMatrix::from_matrix(&Matrix::from_fn(1, 1, |_, _| 0.5)).is_err());
}
