//! What statistics are taken of: the samples of one phase of a learning rule.

use crate::{kernel::reduce::add_in_pieces, states::Input};

/// One phase of the learning rule: samples of both layers and their weight.
#[derive(Clone, Copy, Debug)]
pub struct Phase<'a> {
    /// `V` `[samples x n_visible]`.
    pub visible: Input<'a>,
    /// `H` `[samples x n_hidden]`.
    pub hidden: Input<'a>,
    /// The factor of `V' H`: one over the number of samples, negative for the negative phase.
    pub weight: f32,
    /// A further factor of every sample `[samples]`, of at least 0; none for 1 each. Phases with
    /// factors are summed in f32, never by look-up.
    pub of_rows: Option<&'a [f32]>,
}

impl<'a> Phase<'a> {
    /// Samples of both layers, `weight` each.
    pub fn new(visible: Input<'a>, hidden: Input<'a>, weight: f32) -> Self {
        Self {
            visible,
            hidden,
            weight,
            of_rows: None,
        }
    }

    /// The same samples with factors.
    #[must_use]
    pub fn weighted(self, of_rows: Option<&'a [f32]>) -> Self {
        Self { of_rows, ..self }
    }

    /// `sums[i] += weight sum over samples of (x[.., i] - center[i])^2`, of the states `x` of one
    /// of the layers. Terms and their sums are f64, rounded once.
    pub(super) fn add_squares(&self, x: Input<'_>, center: &[f32], sums: &mut [f32]) {
        add_in_pieces(x.rows(), self.weight, sums, |s, first, sums| {
            let weight = f64::from(self.of_rows.map_or(1.0, |w| w[s]));
            let of = |x: f32, center: f32| weight * (f64::from(x) - f64::from(center)).powi(2);
            let all = sums.iter_mut().zip(&center[first..]).enumerate();
            match x {
                Input::Bits(x) => all.for_each(|(k, (sum, c))| {
                    *sum += of(f32::from(x.get(s, first + k)), *c);
                }),
                Input::Real(x) => {
                    let row = &x.row(s)[first..];
                    all.for_each(|(k, (sum, c))| *sum += of(row[k], *c));
                }
            }
        });
    }
}
