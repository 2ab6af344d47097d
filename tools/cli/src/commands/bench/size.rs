//! How much is measured.

use harmonium::{
    BitMatrix, Result,
    dataset::Examples,
    rng::{Draws, Site},
};

/// Share of ones in binarized MNIST.
pub const DENSITY: f32 = 0.13;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Size {
    /// Rows, columns and inner size of dense products.
    pub products: [(usize, usize, usize); 4],
    /// Units of both layers of single passes.
    pub passes: [(usize, usize); 4],
    /// Numbers of samples of each.
    pub pass_rows: [usize; 3],
    /// Examples of an epoch.
    pub examples: usize,
    /// Visible units of the RBM.
    pub n_visible: usize,
    /// Its hidden units.
    pub n_hidden: usize,
    /// Examples of an update.
    pub batch: usize,
    /// Numbers of chains of the sweeps, and of rows of the epilogue.
    pub chains: [usize; 2],
    /// Layers of a deep belief network, the top pair last.
    pub network: [usize; 4],
    /// Classes of its label.
    pub classes: usize,
    /// Layers of a deep Boltzmann machine.
    pub machine: [usize; 3],
    /// Hidden units of which all states are enumerated.
    pub exact_hidden: usize,
    /// Numbers that an activation works on: they stay in the first-level cache.
    pub elements: usize,
    /// Rows of a call.
    pub calls: [usize; 3],
    /// Units of both layers of small machines, and examples of an update.
    pub small: [(usize, usize, usize); 10],
    /// Side of a torus of spins.
    pub torus: usize,
    /// Spins of sparse graphs.
    pub spins: usize,
    /// Neighbors that each of them has.
    pub degrees: [usize; 3],
    /// Spins that are all coupled.
    pub dense: [usize; 2],
    /// Numbers of chains of spins.
    pub spin_chains: [usize; 2],
}

impl Size {
    /// An RBM 784-500 on data like MNIST.
    pub const FULL: Self = Self {
        products: [
            (100, 500, 784),
            (100, 784, 500),
            (784, 500, 100),
            (1000, 500, 784),
        ],
        passes: [(784, 500), (500, 500), (500, 2000), (784, 4096)],
        pass_rows: [10, 100, 1000],
        examples: 60_000,
        n_visible: 784,
        n_hidden: 500,
        batch: 100,
        chains: [100, 1000],
        network: [784, 500, 500, 2000],
        classes: 10,
        machine: [784, 500, 1000],
        exact_hidden: 18,
        elements: 4096,
        calls: [1, 8, 64],
        small: [
            (16, 16, 1),
            (16, 16, 10),
            (16, 16, 100),
            (64, 100, 1),
            (64, 100, 10),
            (64, 100, 100),
            (256, 256, 1),
            (256, 256, 10),
            (256, 256, 100),
            (784, 500, 10),
        ],
        torus: 64,
        spins: 4096,
        degrees: [3, 6, 20],
        dense: [200, 1000],
        spin_chains: [64, 1024],
    };
    /// As much of fewer examples.
    pub const QUICK: Self = Self {
        examples: 6_000,
        ..Self::FULL
    };
    /// A moment of each.
    #[cfg(test)]
    pub const TINY: Self = Self {
        products: [(3, 5, 7), (1, 1, 1), (13, 33, 9), (20, 4, 300)],
        passes: [(40, 50), (1, 1), (33, 32), (7, 3)],
        pass_rows: [1, 8, 9],
        examples: 45,
        n_visible: 70,
        n_hidden: 20,
        batch: 10,
        chains: [3, 300],
        network: [70, 20, 30, 40],
        classes: 3,
        machine: [70, 20, 30],
        exact_hidden: 10,
        elements: 50,
        calls: [1, 2, 9],
        small: [(4, 3, 2); 10],
        torus: 4,
        spins: 20,
        degrees: [1, 3, 4],
        dense: [2, 9],
        spin_chains: [3, 70],
    };

    /// Random bits of this size, with the density of binarized MNIST.
    ///
    /// # Errors
    /// Those of the library.
    pub fn data(&self) -> Result<Examples> {
        let draws = Draws::new(0, Site::Binarize, 0);
        let bits = BitMatrix::from_fn(self.examples, self.n_visible, |i, j| {
            draws.uniform(i, j) < DENSITY
        });
        let labels = (0..self.examples).map(|i| (i % self.classes) as u32);
        Examples::new(bits)?.with_labels(labels.collect())
    }
}
