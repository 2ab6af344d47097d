//! Matrices and their rectangles.

use harmonium::{Matrix, matrix::ROW_ALIGN_BYTES};

#[test]
fn rows_are_aligned_and_padding_is_zero() {
    for columns in [0, 1, 15, 16, 17, 63, 64, 65] {
        let m = Matrix::from_fn(3, columns, |i, j| (i * 100 + j) as f32 + 1.0);
        for i in 0..3 {
            assert_eq!(m.row(i).as_ptr() as usize % ROW_ALIGN_BYTES, 0);
            let end = i * m.stride() + columns;
            assert!(
                m.padded()[end..(i + 1) * m.stride()]
                    .iter()
                    .all(|&x| x == 0.0)
            );
        }
    }
}

#[test]
fn split_views_fill_disjoint_rectangles() {
    let mut m = Matrix::zeros(5, 20);
    let (left, right) = m.view_mut().split_at_column(7);
    let (upper, lower) = right.split_at_row(2);
    for (mut tile, value) in [(left, 1.0), (upper, 2.0), (lower, 3.0)] {
        for i in 0..tile.rows() {
            tile.row_mut(i).fill(value);
        }
    }
    for i in 0..5 {
        for j in 0..20 {
            let expected = if j < 7 {
                1.0
            } else if i < 2 {
                2.0
            } else {
                3.0
            };
            assert_eq!(m.row(i)[j], expected);
        }
    }
    assert_eq!(m.view_rows(2..5).row(0)[10], 3.0);
    assert_eq!(m.transposed().row(19)[1], 2.0);
}

#[test]
fn from_slice_refuses_another_length() {
    assert!(Matrix::from_slice(&[0.0; 5], 2, 3).is_err());
    assert_eq!(
        Matrix::from_slice(&[1.0, 2.0], 1, 2).unwrap().row(0),
        [1.0, 2.0]
    );
}

#[test]
fn rows_elements_and_indices_are_the_same_numbers() {
    let mut m = Matrix::from_rows([vec![1.0, 2.0, 3.0], vec![4.0, 5.0, 6.0]]).unwrap();
    assert_eq!((m.rows(), m.columns()), (2, 3));
    assert_eq!(m.to_vec(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    m[(1, 0)] = 7.0;
    assert_eq!((m[(0, 2)], m[(1, 0)], m.row(1)[0]), (3.0, 7.0, 7.0));
    assert_eq!(m.view_rows(1..2).to_owned().to_vec(), [7.0, 5.0, 6.0]);
    let none: [[f32; 3]; 0] = [];
    assert_eq!(Matrix::from_rows(none).unwrap(), Matrix::default());
    let ragged: [&[f32]; 3] = [&[1.0, 2.0], &[3.0, 4.0], &[5.0]];
    let message = Matrix::from_rows(ragged).unwrap_err().to_string();
    assert_eq!(message, "row 2: expected 2 numbers, as in row 0, found 1");
}

#[test]
#[should_panic(expected = "out of bounds")]
fn padding_has_no_index() {
    let _ = Matrix::zeros(2, 3)[(0, 3)];
}
