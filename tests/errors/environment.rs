//! What environment variables say is refused at the doors of long work, by name, and what code
//! chooses goes before it. Each case is a process of its own: this test, run again with [`CASE`]
//! set.

use harmonium::{
    bits::BitMatrix,
    dataset::Examples,
    environment,
    evaluate::{Ais, Base, Betas},
    model::{BoltzmannMachine, Rbm},
    product::{Propagation, Provider, Route, provider, route, set_provider, set_route},
    simd::{Isa, isa, set_isa},
    train::{RbmOptions, RbmTraining},
};
use std::process::Command;

/// Names the case in the process that runs it.
const CASE: &str = "HARMONIUM_TEST_CASE";

/// Runs `case` in this test again, with one variable set; its stderr.
fn again(case: &str, variable: &str, value: &str) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "environment::environment_in_processes",
        "--nocapture",
    ]);
    for name in ["HARMONIUM_ISA", "HARMONIUM_PRODUCT", "HARMONIUM_GEMM"] {
        command.env_remove(name);
    }
    let output = command
        .env(CASE, case)
        .env(variable, value)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{case}, {variable}={value}: {text}"
    );
    text
}

fn data() -> Examples {
    Examples::new(BitMatrix::from_fn(20, 40, |i, j| (i + j) % 3 == 0)).unwrap()
}

fn rbm() -> Rbm {
    Rbm::bernoulli(&[40, 32])
        .unwrap()
        .initialized_from(&data(), 1)
        .unwrap()
}

/// Every door refuses; what does not ask goes on with the default.
fn refused() {
    let rbm = rbm();
    let ais = Ais {
        chains: 2,
        betas: Betas::Linear(2),
        base: Base::Uniform,
        seed: 1,
    };
    let machine = BoltzmannMachine::bernoulli(&[3, 2]).unwrap();
    let mut chain = rbm.chains(2, 1).unwrap();
    let errors = [
        environment::check().unwrap_err(),
        RbmTraining::new(rbm.clone(), RbmOptions::default(), &data()).unwrap_err(),
        ais.log_z(&rbm, &mut ()).unwrap_err(),
        ais.log_z(&machine, &mut ()).unwrap_err(),
        Rbm::bernoulli(&[3, 2]).unwrap().log_z(&mut ()).unwrap_err(),
        machine.log_z(&mut ()).unwrap_err(),
        chain.sweep(&rbm, 1, 1.0).unwrap_err(),
    ];
    for error in &errors {
        assert_eq!(error.to_string(), errors[0].to_string());
    }
    let best = Isa::available().last().unwrap();
    assert_eq!(
        (isa(), route(), provider()),
        (best, Route::Automatic, Provider::Native)
    );
    assert!(rbm.mean_h_from_v(data().input(), 1.0).is_ok());
    // The harness captures nothing: it runs this case with --nocapture.
    eprintln!("error: {}", errors[0]);
}

/// What code chooses goes before the environment, at any time.
fn chosen() {
    let dense = product();
    for isa in Isa::ALL {
        let set = set_isa(isa);
        assert_eq!(set.is_ok(), isa.is_available(), "{set:?}");
        if let Err(e) = set {
            let text = e.to_string();
            assert!(text.starts_with("instruction set: expected"), "{text}");
            continue;
        }
        assert_eq!(harmonium::simd::isa(), isa);
        // Both routes, and a dense product by another provider, of the same numbers.
        set_route(Route::LookUp);
        let looked_up = product();
        set_route(Route::Dense);
        set_provider(Provider::MatrixMultiply);
        assert_eq!(
            (route(), provider()),
            (Route::Dense, Provider::MatrixMultiply)
        );
        let other = product();
        set_provider(Provider::Native);
        for ((x, y), z) in dense.iter().zip(&looked_up).zip(&other) {
            // Weights of 0.01 in steps of 2^-15 of their largest, 14 of them in a sum.
            assert!((x - y).abs() < 1e-5 && (x - z).abs() < 1e-6, "{x} {y} {z}");
        }
        assert_ne!(dense, looked_up, "a product by look-up is rounded");
    }
}

/// Inputs of the hidden units, by the route in use.
fn product() -> Vec<f32> {
    let (rbm, data) = (rbm(), data());
    let mut means = harmonium::matrix::Matrix::zeros(data.len(), rbm.n_hidden());
    let tail = harmonium::product::Tail {
        mean: Some(means.view_mut()),
        ..harmonium::product::Tail::new(1.0)
    };
    rbm.hidden_from_visible(data.input(), tail, &mut Propagation::default())
        .unwrap();
    (0..data.len())
        .flat_map(|i| means.row(i).to_vec())
        .collect()
}

#[test]
fn environment_in_processes() {
    match std::env::var(CASE).as_deref() {
        Ok("refused") => refused(),
        Ok("chosen") => chosen(),
        _ => {
            for (variable, value, expected) in [
                ("HARMONIUM_ISA", "sse9", "portable, avx2 or avx512"),
                ("HARMONIUM_ISA", "", "portable, avx2 or avx512"),
                ("HARMONIUM_PRODUCT", "fast", "automatic, dense or lookup"),
                ("HARMONIUM_GEMM", "mkl", "native or matrixmultiply"),
            ] {
                let text = again("refused", variable, value);
                let line = format!("error: {variable}: expected {expected}");
                assert!(
                    text.contains(&line) && text.contains(&format!("found {value}\n")),
                    "{text}"
                );
            }
            again("chosen", "HARMONIUM_PRODUCT", "dense");
        }
    }
}
