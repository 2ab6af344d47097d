//! Options of `harmonium bench`.

use clap::Args;
use std::{num::NonZeroUsize, path::PathBuf};

/// Sections in the order of the table.
pub const SECTIONS: [&str; 10] = [
    "kernel",
    "pass",
    "epilogue",
    "training",
    "sampling",
    "deep",
    "likelihood",
    "latency",
    "small",
    "graph",
];
/// Those whose figures are times in units of their own, which compare with no ceiling.
pub const OWN_UNITS: [&str; 3] = ["latency", "small", "graph"];

/// Measures this machine and the engine on it: the f32 peak, products, activations, draws, epochs,
/// Gibbs sweeps, deep machines, exact ln Z, calls on single rows, small machines, graphs of spins
///
/// Speeds are in GCU/s, 10^9 connection updates a second. A connection update is one visible-hidden
/// pair of one sample in one matrix pass; in a dense product it costs one multiply-add, so GCU/s
/// compare with the f32 FMA peak. A Gibbs sweep has 2 passes, CD-1 and PCD-1 have 5.
///
/// Calls (`latency`), updates of small machines (`small`) and spin updates (`graph`, on one thread
/// and on all) are told as the median time of one and the distance of the quartiles of its runs, as
/// a share of the median. Let nothing else run meanwhile.
#[derive(Args, Clone, Debug, Default)]
pub struct BenchArgs {
    /// Threads of epochs and sweeps [default: one a core]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Seconds of each measurement [default: 1, with --quick 0.1]
    #[arg(long, value_name = "X", value_parser = positive)]
    pub seconds: Option<f64>,
    /// Epochs of 6000 examples instead of 60000, short measurements: some seconds instead of two
    /// minutes
    #[arg(long)]
    pub quick: bool,
    /// Only these figures, one or several with commas between, beside the ceilings that they
    /// compare with
    #[arg(long, value_name = "SECTION,...", value_delimiter = ',', value_parser = SECTIONS)]
    pub only: Vec<String>,
    /// Write the machines and rows of latency, small and graph to DIR, for other programs, with the
    /// means and free energies of the rows; measure nothing
    #[arg(long, value_name = "DIR", conflicts_with_all = ["threads", "seconds", "quick", "json", "csv", "out"])]
    pub inputs: Option<PathBuf>,
    /// Print one JSON object instead of the table
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print CSV instead of the table
    #[arg(long)]
    pub csv: bool,
    /// Write to FILE instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

fn positive(text: &str) -> std::result::Result<f64, String> {
    match text.parse() {
        Ok(x) if x > 0.0 && x < 1e6 => Ok(x),
        _ => Err("expected a number of seconds above 0".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_positive() {
        assert_eq!(positive("0.5"), Ok(0.5));
        for bad in ["0", "-1", "nan", "inf", "x"] {
            assert!(positive(bad).is_err(), "{bad}");
        }
    }
}
