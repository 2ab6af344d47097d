//! A spurious mode that contrastive divergence leaves, and that chains of their own remove; exact figures.
//!
//! ```text
//! cargo run --release --example spurious_modes
//! ```

use harmonium::{Result, train::SpuriousModes};

/// Characters of a bar of probability 1/2.
const WIDTH: f64 = 60.0;
/// Least probability of a state that is shown.
const SHOWN: f64 = 0.01;

fn main() -> Result<()> {
    let report = SpuriousModes::default().run()?;
    println!(
        "{:12} {:>14} {:>18}",
        "", "spurious mass", "KL(data || model)"
    );
    for model in &report.models {
        let (mass, divergence) = (model.spurious_mass, model.divergence);
        println!("{:12} {mass:14.4} {divergence:18.4}", model.name);
    }
    let data = ("data", &report.data);
    let models = report.models.iter().map(|x| (x.name, &x.distribution));
    for (name, p) in std::iter::once(data).chain(models) {
        println!("\n{name}");
        for &state in report.order.iter().filter(|&&state| p[state] >= SHOWN) {
            let bar = "#".repeat((2.0 * WIDTH * p[state]).round() as usize);
            let state_bits = format!("{state:0width$b}", width = report.units);
            println!("  {state_bits} {:.4} {bar}", p[state]);
        }
    }
    Ok(())
}
