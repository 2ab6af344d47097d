//! Couplings of general machines from files.

use harmonium::{
    Error, States,
    model::{BoltzmannMachine, EdgeEnergy, EdgeFile},
};
use proptest::prelude::*;
use std::fs;

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
        EdgeFile::read(&path, None).map(|file| file.units())
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

fn read(name: &str, text: &str, units: Option<usize>) -> harmonium::Result<EdgeFile> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    assert!(EdgeFile::recognizes(&path), "{name}");
    EdgeFile::read(&path, units)
}

/// `h` and `J` of three variables, and the constant.
const FIELDS: [f64; 3] = [0.5, -1.0, 0.0];
const PAIRS: [(usize, usize, f64); 2] = [(0, 1, -1.0), (1, 2, 2.0)];
const OFFSET: f64 = 1.5;

/// What dimod writes of it: `bqm.to_serializable()` with labels, and `coo.dump`.
fn bqm(vartype: &str, labels: &str) -> String {
    format!(
        r#"{{"type": "BinaryQuadraticModel", "version": {{"bqm_schema": "3.0.0"}}, "use_bytes": false,
        "index_type": "int32", "bias_type": "float64", "num_variables": 3, "num_interactions": 2,
        "variable_labels": {labels}, "variable_type": "{vartype}", "offset": 1.5, "info": {{}},
        "linear_biases": [0.5, -1.0, 0.0], "quadratic_biases": [-1.0, 2.0],
        "quadratic_head": [0, 1], "quadratic_tail": [1, 2]}}"#
    )
}

fn coo(vartype: &str) -> String {
    format!("# vartype={vartype}\n0 0 0.500000\n0 1 -1.000000\n1 1 -1.000000\n1 2 2.000000\n")
}

#[test]
fn energies_of_dimod_are_its_own_by_enumeration() {
    for (vartype, least) in [("SPIN", -1.0), ("BINARY", 0.0)] {
        for (name, text, offset) in [
            ("a.json", bqm(vartype, "[0, 1, 2]"), OFFSET),
            ("a.coo", coo(vartype), 0.0),
            ("a.ising", coo(vartype), 0.0),
        ] {
            let file = read(name, &text, None).unwrap();
            assert_eq!((file.units(), file.offset), (3, offset));
            assert_eq!(file.is_of_spins(), vartype == "SPIN");
            assert_eq!(
                file.found.len(),
                usize::from(name == "a.ising"),
                "{:?}",
                file.found
            );
            // Whatever is hidden, energies differ from those of the file by the constant of state
            // 0.
            for n_visible in [3, 2] {
                let machine = file.machine(n_visible).unwrap();
                let mut constant = None;
                for state in 0..8_u32 {
                    let bit = |i: usize| f64::from(state >> i & 1);
                    let x = |i: usize| least + (1.0 - least) * bit(i);
                    let energy = (0..3).map(|i| FIELDS[i] * x(i)).sum::<f64>()
                        + PAIRS.iter().map(|&(i, j, q)| q * x(i) * x(j)).sum::<f64>();
                    let bits: Vec<f32> = (0..3).map(|i| bit(i) as f32).collect();
                    let layer = |x: &[f32]| States::from_slice(x, x.len()).unwrap();
                    let (v, h) = (&bits[..n_visible], &bits[n_visible..]);
                    let found = match h.is_empty() {
                        true => machine.free_energy(v, 1.0).unwrap()[0],
                        false => machine.energy(&layer(v), &layer(h)).unwrap()[0],
                    };
                    let difference = energy - found;
                    // All numbers are sums of halves and quarters.
                    assert_eq!(
                        *constant.get_or_insert(difference),
                        difference,
                        "{name} {state}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_pair_of_dimod_favors_equal_spins() {
    for (name, text) in [
        ("pair.coo", "# vartype=SPIN\n0 1 -1.000000\n"),
        ("pair.ising", "# vartype=SPIN\n0 1 -1.000000\n"),
        ("pair.txt", "0 0 0\n# vartype: SPIN\n0 1 -1\n"),
    ] {
        let machine = read(name, text, None).unwrap().machine(2).unwrap();
        let p = machine.expectations(&mut ()).unwrap();
        let log_z = machine.log_z(&mut ()).unwrap();
        // E of x: the state (0, 0) has 0, and so P(0, 0) = 1 / Z.
        let equal = 2.0 * (-log_z).exp();
        assert!(
            (2.0 * equal - 1.0 - 1.0_f64.tanh()).abs() < 1e-6,
            "{name}: {p:?}"
        );
    }
}

#[test]
fn units_are_numbered_from_0_or_from_1_and_it_is_said() {
    let from_0 = read("a.ising", "0 1 1\n1 2 -1\n", None).unwrap();
    let from_1 = read("a.ising", "1 2 1\n2 3 -1\n", None).unwrap();
    assert_eq!(from_0.machine(3).unwrap(), from_1.machine(3).unwrap());
    assert_eq!((from_0.found.len(), from_1.units()), (0, 3));
    assert!(from_1.found[0].contains("from 1"), "{:?}", from_1.found);
    let kept = read("a.ising", "0 0 0\n1 2 1\n2 3 -1\n", None).unwrap();
    assert_eq!((kept.units(), kept.found.len()), (4, 0));
    // Where data tell how many units there are, a file may leave some alone.
    for (units, is_from_1) in [(3, true), (4, false), (5, false)] {
        let file = read("a.txt", "1 2 1\n2 3 -1\n", Some(units)).unwrap();
        assert_eq!((file.units(), file.found.len() == 1), (units, is_from_1));
        let machine = file.machine(units).unwrap();
        assert_eq!(machine.may_couple(0, 1), is_from_1);
    }
    // Variables of dimod have names.
    let gaps = read("a.coo", "# vartype=BINARY\n7 40 1\n0 7 -1\n", None).unwrap();
    assert_eq!((gaps.units(), gaps.named()), (3, 3));
    assert!(gaps.found[0].contains("0, 7, 40"), "{:?}", gaps.found);
    let plain = read("a.json", &bqm("SPIN", "[0, 1, 2]"), None).unwrap();
    let mixed = read("a.json", &bqm("SPIN", r#"["b", 3, [1, 2]]"#), None).unwrap();
    assert_eq!(mixed.machine(3).unwrap(), plain.machine(3).unwrap());
    assert!(
        mixed.found[0].contains(r#""b", 3, [1,2]"#),
        "{:?}",
        mixed.found
    );
    let turned = read("a.json", &bqm("SPIN", "[2, 1, 0]"), None).unwrap();
    assert_eq!(turned.machine(3).unwrap().visible_weights().row(0)[1], -4.0);
    assert!(turned.found.is_empty(), "{:?}", turned.found);
}

#[test]
fn graphs_of_gset_are_cut_where_spins_differ() {
    for name in ["G1", "a.gset", "a.rud", "a.txt"] {
        let file = read(name, "4 3\n1 2 1\n2 3 1\n1 3 -1\n", None).unwrap();
        assert_eq!((file.units(), file.energy), (4, EdgeEnergy::SpinCosts));
        assert!(file.found[0].contains("4 nodes"), "{:?}", file.found);
        let machine = file.machine(4).unwrap();
        // The cut is (sum w - sum w s s) / 2; unit 3 has no edge.
        for state in 0..16_u32 {
            let s = |i: usize| f64::from(state >> i & 1) * 2.0 - 1.0;
            let cut = (1.0 - (s(0) * s(1) + s(1) * s(2) - s(0) * s(2))) / 2.0;
            let bits: Vec<f32> = (0..4).map(|i| (state >> i & 1) as f32).collect();
            let energy = machine.free_energy(&bits[..], 1.0).unwrap()[0];
            // State 0 has no cut and energy 0.
            assert_eq!(energy, -2.0 * cut);
        }
    }
}

#[test]
fn files_of_couplings_are_refused_with_their_place() {
    let json = |from: &str, to: &str| bqm("SPIN", "[0, 1, 2]").replace(from, to);
    for (name, text, words) in [
        ("a.coo", "0 1 1\n".to_string(), ["vartype_header", "none"]),
        (
            "a.coo",
            "# vartype=TERNARY\n0 1 1\n".into(),
            ["vartype=SPIN", "TERNARY"],
        ),
        ("a.gset", "1 2 1\n".into(), ["nodes and edges", "line 1"]),
        ("G7", "3 1\n0 2 1\n".into(), ["from 1 to 3", "line 2"]),
        ("G7", "3 2\n1 2 1\n".into(), ["2 edges", "found 1"]),
        (
            "G7",
            "40000 1\n1 2 1\n".into(),
            ["without gaps", "2 of 40000"],
        ),
        (
            "G7",
            "99999999999 1\n1 2 1\n".into(),
            ["without gaps", "2 of 99999999999"],
        ),
        (
            "a.json",
            "{}".into(),
            ["BinaryQuadraticModel", "missing field"],
        ),
        (
            "a.json",
            json("BinaryQ", "Q"),
            ["BinaryQuadraticModel", "QuadraticModel"],
        ),
        ("a.json", json("3.0.0", "2.0.0"), ["3.0.0", "2.0.0"]),
        (
            "a.json",
            json("false", "true"),
            ["use_bytes=False", "bytes"],
        ),
        ("a.json", json("SPIN", "TRIT"), ["SPIN or BINARY", "TRIT"]),
        ("a.json", json("[1, 2]", "[1, 3]"), ["below 3", "number 2"]),
        (
            "a.json",
            json("[1, 2]", "[1]"),
            ["2 quadratic_head", "2 and 1"],
        ),
        (
            "a.json",
            json("[0.5, -1.0, 0.0]", "[0.5]"),
            ["3 linear_biases", "found 1"],
        ),
        (
            "a.json",
            json("-1.0, 2.0", "-1.0, 2e300"),
            ["single precision", "number 2"],
        ),
        (
            "a.json",
            json("[0, 1],", "[1, 1],"),
            ["different variables", "number 1"],
        ),
    ] {
        let error = read(name, &text, None).err().expect("refused").to_string();
        for word in words.into_iter().chain([name]) {
            assert!(error.contains(word), "{error} should tell of {word}");
        }
    }
}

proptest! {
    #[test]
    fn damaged_files_of_couplings_never_panic(
        which in 0_usize..4,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let (name, text) = vec![
            ("a.json", bqm("SPIN", "[0, 1, 2]")),
            ("a.coo", coo("BINARY")),
            ("G3", "4 3\n1 2 1\n2 3 1\n1 3 -1\n".into()),
            ("a.ising", "1 2 1\n2 3 -1\n".into()),
        ].swap_remove(which);
        let mut bytes = text.into_bytes();
        for (index, byte) in damage {
            let i = index.index(bytes.len());
            bytes[i] = byte;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, &bytes).unwrap();
        match EdgeFile::read(&path, None) {
            Ok(file) if file.units() < 1000 => drop(file.machine(file.units())),
            Ok(_) => {}
            Err(error) => {
                let is_told = error.to_string().contains(name) || matches!(error, Error::Parameter { .. });
                prop_assert!(is_told, "{error}");
            }
        }
    }
}
