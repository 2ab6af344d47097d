//! Likelihoods in f64 throughout, for machines whose `ln Z` can be enumerated.

use crate::{
    error::{Error, Result},
    kernel::reduce::mean_and_standard_error,
    model::{Rbm, for_each_sent},
    progress::Progress,
    states::Input,
    threads::{in_pool, prelude::*},
};

/// `F(v)` of each row at `beta = 1`, every sum in f64. Cost: a dense product in f64, several times
/// that of [`Rbm::free_energy`].
///
/// # Errors
/// [`Error::Shape`] unless `v` has the machine's visible units.
pub fn exact_free_energies<'a>(rbm: &Rbm, v: impl Into<Input<'a>>) -> Result<Vec<f64>> {
    let v = v.into();
    if v.columns() != rbm.n_visible() {
        return Err(Error::shape(
            "units of the input",
            rbm.n_visible(),
            v.columns(),
        ));
    }
    let of_row = |s| {
        let mut input: Vec<f64> = rbm.hidden().bias.iter().map(|&c| f64::from(c)).collect();
        for_each_sent(rbm.visible(), v, s, |i, x| {
            for (y, &w) in input.iter_mut().zip(rbm.weights().row(i)) {
                *y += x * f64::from(w);
            }
        });
        -rbm.visible().own_term(v, s) - rbm.hidden().log_partition(&input, 1.0)
    };
    let rows = (0..v.rows()).into_par_iter();
    Ok(in_pool(|| rows.map(of_row).collect()))
}

/// Mean and standard error over the rows of `ln p(v) = -F(v) - ln Z`, with `ln Z` enumerated:
/// `(mean, standard error, ln Z)`.
///
/// # Errors
/// Those of [`Rbm::log_z`] and [`exact_free_energies`].
pub fn exact_mean_log_likelihood<'a>(
    rbm: &Rbm,
    v: impl Into<Input<'a>>,
    progress: &mut dyn Progress,
) -> Result<(f64, f64, f64)> {
    let free = exact_free_energies(rbm, v)?;
    let log_z = rbm.log_z(progress)?;
    let (mean, error) = mean_and_standard_error(free.into_iter().map(|f| -f - log_z));
    Ok((mean, error, log_z))
}
