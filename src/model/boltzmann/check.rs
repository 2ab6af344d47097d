//! What makes a general machine.

use super::BoltzmannMachine;
use crate::{
    bits::BitMatrix,
    error::{Error, Result, expect_pair},
    kernel::sweep::Group,
    states::Input,
    units::Kind,
};

impl BoltzmannMachine {
    /// Refuses parameters of shapes that disagree, that are not finite, and `R` or `S` that is not
    /// symmetric with a zero diagonal.
    ///
    /// # Errors
    /// As [`Self::from_parameters`].
    pub fn check(&self) -> Result<()> {
        let (n, m) = (self.n_visible(), self.n_hidden());
        for (what, x, rows, columns) in [
            ("visible weights", &self.visible_weights, n, n),
            ("weights", &self.weights, n, m),
            ("hidden weights", &self.hidden_weights, m, m),
        ] {
            if (x.rows(), x.columns()) != (rows, columns) {
                return Err(Error::shape(
                    what,
                    format!("{rows} x {columns}"),
                    format!("{} x {}", x.rows(), x.columns()),
                ));
            }
            if !x.is_finite() {
                return Err(Error::NotFinite { what: what.into() });
            }
        }
        for (name, layer) in [("visible", &self.visible), ("hidden", &self.hidden)] {
            layer.check(name)?;
            layer.check_finite(name)?;
            let (is_taken, taken) = match name {
                "visible" => (layer.units.are_binary(), "bernoulli and softmax"),
                _ => (layer.units.are(Kind::Bernoulli), "bernoulli"),
            };
            if !is_taken {
                let what = format!("{name} units of a general machine");
                return Err(Error::parameter(what, taken, &layer.units));
            }
        }
        self.check_groups()?;
        for (what, x) in [
            ("visible weights", &self.visible_weights),
            ("hidden weights", &self.hidden_weights),
        ] {
            for i in 0..x.rows() {
                if x.row(i)[i] != 0.0 {
                    let what = format!("{what}, diagonal element {i}");
                    return Err(Error::parameter(what, 0, x.row(i)[i]));
                }
                for j in 0..i {
                    let (lower, upper) = (x.row(i)[j], x.row(j)[i]);
                    if lower != upper {
                        let what = format!("{what}, element ({i}, {j})");
                        let expected = format!("{upper}, that of ({j}, {i})");
                        return Err(Error::parameter(what, expected, lower));
                    }
                }
            }
        }
        Ok(())
    }

    /// Refuses couplings between units of one softmax group.
    fn check_groups(&self) -> Result<()> {
        for Group { first, end } in self.groups() {
            for i in first..end {
                let row = &self.visible_weights.row(i)[first..end];
                if let Some(k) = row.iter().position(|&w| w != 0.0) {
                    let j = first + k;
                    let what =
                        format!("visible weights, element ({i}, {j}) within a softmax group");
                    return Err(Error::parameter(what, 0, row[k]));
                }
            }
        }
        Ok(())
    }

    pub(in crate::model) fn check_connectivity(&self, mask: &BitMatrix) -> Result<()> {
        let n = self.units();
        if (mask.rows(), mask.columns()) != (n, n) {
            let found = format!("{} x {}", mask.rows(), mask.columns());
            return Err(Error::shape("connectivity", format!("{n} x {n}"), found));
        }
        for i in 0..n {
            for j in 0..n {
                let (may, is) = (mask.get(i, j), i != j && self.coupling(i, j) != 0.0);
                if may != mask.get(j, i) || is && !may || may && i == j {
                    return Err(Error::parameter(
                        "connectivity",
                        "every coupled pair, from both sides, and no unit with itself",
                        format!("{} at ({i}, {j})", u8::from(may)),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Refuses states of other widths than the layers.
    pub(super) fn check_states(&self, v: Input<'_>, h: Input<'_>) -> Result<()> {
        let found = [(v.rows(), v.columns()), (h.rows(), h.columns())];
        expect_pair("states", found, (self.n_visible(), self.n_hidden()))
    }
}
