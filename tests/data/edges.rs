//! Couplings of general machines from a text file.

use harmonium::{Error, model::BoltzmannMachine};

#[test]
fn edges_come_from_a_text_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edges.txt");
    let load = |text: &str| {
        std::fs::write(&path, text).unwrap();
        BoltzmannMachine::from_edge_file(&path, 3, 2)
    };
    let machine =
        load("# five units\n0 1 0.5\n\n4 1 -1e-1 # one hidden\n3\t4  2\n2 2 0.25\n4 4 -3\n1 3 0\n");
    let machine = machine.unwrap();
    let edges = [(0, 1, 0.5), (1, 4, -0.1), (3, 4, 2.0), (1, 3, 0.0)];
    let mut expected = BoltzmannMachine::from_edges(3, 2, &edges).unwrap();
    expected.set_parameter("bias.0", &[0.0, 0.0, 0.25]).unwrap();
    expected.set_parameter("bias.1", &[0.0, -3.0]).unwrap();
    assert_eq!(machine, expected);
    assert!(machine.may_couple(1, 3) && !machine.may_couple(0, 3));
    assert_eq!(load("").unwrap().units(), 5);
    let units = |text: &str| {
        std::fs::write(&path, text).unwrap();
        BoltzmannMachine::units_of_edge_file(&path)
    };
    assert_eq!(units("# 7 8 9\n0 1 1\n4 4 0.5\n").unwrap(), 5);
    // A line of three numbers must not fill the memory: dense couplings would.
    assert_eq!(units("0 16383 1\n").unwrap(), 16384);
    let path_of_all: String = (1..16400).map(|i| format!("{} {i} 1\n", i - 1)).collect();
    assert_eq!(units(&path_of_all).unwrap(), 16400);
    for (text, word) in [
        ("# none\n", "i j weight"),
        ("0 1 1\n0 x 1\n", "line 2"),
        ("0 1 1\n0 46338 1\n", "3 of 46339 units"),
        ("0 1 1\n0 46338 1\n", "line 2"),
        ("0 46338 1\n", "8.0 GiB"),
        ("0 16384 1\n", "without gaps"),
        ("0 18446744073709551614 1\n", "without gaps"),
        ("0 18446744073709551615 1\n", "line 1"),
    ] {
        let error = units(text).unwrap_err().to_string();
        assert!(
            error.contains(word) && error.contains("edges.txt"),
            "{error}"
        );
    }
    for (text, words) in [
        ("0 1 1\n0 5 1\n", ["below 5", "line 2"]),
        ("0 1\n", ["finite number", "line 1"]),
        ("0 1 1 1\n", ["finite number", "0 1 1 1"]),
        ("0 1 inf\n", ["finite number", "inf"]),
        ("0 -1 1\n", ["two units", "0 -1 1"]),
        ("\n0 1 1\n1 0 2\n", ["line 3", "line 2"]),
        ("2 2 1\n2 2 1\n", ["line 2", "line 1"]),
    ] {
        let error = load(text).unwrap_err().to_string();
        for word in words.into_iter().chain(["edges.txt"]) {
            assert!(error.contains(word), "{error} should tell of {word}");
        }
    }
    for (n, m) in [(46_341, 0), (usize::MAX, 1)] {
        let error = BoltzmannMachine::from_edge_file(&path, n, m).unwrap_err();
        assert!(error.to_string().contains("at most 46340"), "{error}");
    }
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(BoltzmannMachine::from_edge_file(&path, 3, 2).is_err());
    std::fs::remove_file(&path).unwrap();
    let missing = BoltzmannMachine::from_edge_file(&path, 3, 2).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }), "{missing}");
}
