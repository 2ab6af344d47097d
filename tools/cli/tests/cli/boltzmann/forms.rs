//! Files of couplings that other programs write.

use super::{bench, number, table};
use std::fs;

#[test]
fn couplings_of_dimod_and_gset_have_their_own_sign() {
    let bench = bench();
    let write = |name: &str, text: &str| fs::write(bench.path(name), text).unwrap();
    write("pair.coo", "# vartype=SPIN\n0 1 -1.000000\n");
    write("pair.ising", "# vartype=SPIN\n0 1 -1.000000\n");
    write(
        "pair.json",
        r#"{"type": "BinaryQuadraticModel", "version": {"bqm_schema": "3.0.0"}, "use_bytes": false,
        "variable_labels": [0, 1], "variable_type": "SPIN", "offset": 0.5,
        "linear_biases": [0.0, 0.0], "quadratic_biases": [-1.0], "quadratic_head": [0],
        "quadratic_tail": [1]}"#,
    );
    write("G1", "2 1\n1 2 -1\n");
    write("from_1.ising", "1 2 1\n");
    for (name, offset, words) in [
        ("pair.coo", 0.0, ""),
        ("pair.ising", 0.0, "vartype=SPIN"),
        ("pair.json", 0.5, ""),
        ("G1", 0.0, "largest cut"),
        ("from_1.ising", 0.0, "numbered from 1"),
    ] {
        let command =
            format!("sample {name} --spins --count 4000 --steps 20 --seed 5 --json --out x.csv");
        let ran = bench.run(&command);
        assert!(
            ran.code == 0 && ran.stderr.contains(words),
            "{name}: {}",
            ran.stderr
        );
        let states = table(&fs::read_to_string(bench.path("x.csv")).unwrap());
        let mean = states.iter().map(|s| s[0] * s[1]).sum::<f64>() / 4000.0;
        // Independent chains: the error of the mean is sqrt((1 - tanh(1)^2) / 4000) = 0.0102.
        assert!(
            (mean - 1.0_f64.tanh()).abs() < 4.5 * 0.0102,
            "{name}: {mean}"
        );
        let found = bench.json(&format!("evaluate {name} --exact --json"));
        // E = -s0 s1 + offset.
        let expected = (4.0 * 1.0_f64.cosh()).ln() - offset;
        assert!((number(&found, "log_z") - expected).abs() < 1e-6, "{name}");
    }
}
