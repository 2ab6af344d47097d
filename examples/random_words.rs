//! Writes the library's random words to stdout until the pipe closes, for a statistical battery:
//!
//! ```text
//! cargo run --release --example random_words [SEED] | dieharder -g 200 -a
//! ```
//!
//! The words are those of [`Draws::bits`] in the order in which a training run consumes them: half
//! sweep after half sweep of 100 chains with 500 units, chain by chain, unit by unit, as
//! little-endian bytes. The tests of `docs/randomness.md` are run on this stream.

use harmonium::rng::{Draws, Site, philox4x32};
use std::{
    error::Error,
    io::{self, ErrorKind, Write},
};

/// Chains of a half sweep.
const CHAINS: usize = 100;
/// Units that a half sweep draws for each chain: a multiple of the four words of a block.
const UNITS: usize = 500;
/// Counters that are computed side by side, so that the compiler can use vectors.
const BLOCKS: usize = UNITS / 4;

fn main() -> Result<(), Box<dyn Error>> {
    let seed = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 0,
    };
    match write_words(seed, &mut io::stdout().lock()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Half sweep after half sweep, until `out` refuses.
fn write_words(seed: u64, out: &mut impl Write) -> io::Result<()> {
    let mut bytes = vec![0; CHAINS * UNITS * 4];
    for half_sweep in 0.. {
        fill_half_sweep(seed, half_sweep, &mut bytes);
        if half_sweep == 0 {
            assert_words(seed, &bytes);
        }
        out.write_all(&bytes)?;
    }
    Ok(())
}

/// The words of one half sweep, a block of [`philox4x32`] for every four units.
fn fill_half_sweep(seed: u64, half_sweep: u64, bytes: &mut [u8]) {
    let key = [seed as u32, (seed >> 32) as u32];
    let step = [
        half_sweep as u32,
        (half_sweep >> 32) as u32 | (Site::Chain as u32) << 16,
    ];
    for (chain, row) in bytes.chunks_exact_mut(UNITS * 4).enumerate() {
        let words: [[u32; 4]; BLOCKS] = std::array::from_fn(|block| {
            philox4x32([block as u32, chain as u32, step[0], step[1]], key)
        });
        for (to, word) in row.chunks_exact_mut(4).zip(words.as_flattened()) {
            to.copy_from_slice(&word.to_le_bytes());
        }
    }
}

/// The stream is what the documented definition of a draw says.
fn assert_words(seed: u64, bytes: &[u8]) {
    let draws = Draws::new(seed, Site::Chain, 0);
    for (k, word) in bytes.chunks_exact(4).enumerate() {
        let expected = draws.bits(k / UNITS, k % UNITS);
        assert_eq!(word, expected.to_le_bytes(), "word {k}");
    }
}
