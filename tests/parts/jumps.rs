//! Chains that go from mode to mode.

use harmonium::{
    bits::BitMatrix,
    evaluate::{ModeJumps, nearest_templates},
};

#[test]
fn nearest_by_hamming_distance() {
    let bits =
        |rows: &[&[u8]]| BitMatrix::from_fn(rows.len(), rows[0].len(), |i, j| rows[i][j] == b'1');
    let templates = bits(&[b"1100", b"0011", b"1111"]);
    let states = bits(&[b"0100", b"0111", b"0000", b"1111"]);
    // 0111 is one away from both 0011 and 1111, 0000 two from the first two.
    let nearest = nearest_templates(states.view(), templates.view()).unwrap();
    assert_eq!(nearest, [0, 1, 0, 2]);
    let other = BitMatrix::zeros(2, 5);
    assert!(nearest_templates(states.view(), other.view()).is_err());
    assert!(nearest_templates(states.view(), BitMatrix::zeros(0, 4).view()).is_err());
}

#[test]
fn jumps_are_changes_of_label() {
    let mut jumps = ModeJumps::default();
    assert_eq!((jumps.rate(), jumps.stuck()), (0.0, 0));
    for labels in [[0, 5, 1], [0, 6, 1], [2, 5, 1], [2, 5, 1]] {
        jumps.observe(&labels).unwrap();
    }
    assert_eq!(jumps.jumps(), [1, 2, 0]);
    assert_eq!(jumps.stuck(), 1);
    assert_eq!(jumps.rate(), 3.0 / 9.0);
    assert!(jumps.observe(&[1]).is_err());
}
