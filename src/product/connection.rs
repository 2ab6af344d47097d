//! The weights between two layers, with the copies that fast products need.

use super::{
    Direction, Term,
    copies::CopiesMut,
    lookup::{FixedPoint, LARGEST_STEP},
    turn::turn,
};
use crate::{
    choice::{Choice, Chosen},
    error::{Error, Result},
    kernel::reduce::are_finite,
    matrix::{Matrix, MatrixViewMut},
    states::Input,
};
use std::{fmt, str::FromStr, sync::OnceLock};

/// How exact a product must be where a faster way is off by a known step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32 whatever the input.
    Exact,
    /// f32 of real inputs, and of bits whatever is fastest.
    ExactReals,
    /// Whatever is fastest.
    #[default]
    Fast,
}

/// Which way a product of bits, or of real inputs in [0, 1], with weights is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// By the rule of [`Route::takes_look_up`].
    #[default]
    Automatic,
    /// Always f32.
    Dense,
    /// By look-up wherever its precision allows, however small the product.
    LookUp,
}

impl Route {
    /// Fewest units of either layer: look-ups are 32 outputs wide, and narrow products cost little
    /// anyway.
    const FEWEST_UNITS: usize = 32;
    /// Most weights of a small connection, whose products are exact to f32: learning so is faster
    /// than by look-ups with minibatches of 1 to 100, since their tables and copies cost more than
    /// they save (see the benchmark `small`).
    pub const SMALL: usize = 1 << 13;

    /// Whether so many units meet through a small connection.
    fn is_small(inputs: usize, outputs: usize) -> bool {
        inputs.saturating_mul(outputs) <= Self::SMALL
    }

    /// The route that `HARMONIUM_PRODUCT` asks for: `automatic` (the default), `dense` or `lookup`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for any other name.
    pub fn from_environment() -> Result<Self> {
        Self::of_environment()
    }

    /// Whether samples of `inputs` bits meet `outputs` units by look-up: of the automatic route
    /// where both layers have at least 32 units and more than [`Self::SMALL`] weights join them.
    /// The sizes alone decide, never rows, threads or a timing. Which kind of look-up is decided
    /// where blocks meet, by their rows and density: active inputs, tables in memory, or tables in
    /// registers; all give the same bits.
    pub fn takes_look_up(self, inputs: usize, outputs: usize) -> bool {
        match self {
            Self::Dense => false,
            Self::LookUp => true,
            Self::Automatic => {
                inputs.min(outputs) >= Self::FEWEST_UNITS && !Self::is_small(inputs, outputs)
            }
        }
    }

    /// Whether statistics of so many samples are looked up too, of layers that meet by look-up:
    /// those of few are added up as they are, which is faster and exact.
    pub(super) fn looks_up_statistics(self, samples: usize) -> bool {
        self == Self::LookUp || samples >= Self::FEWEST_UNITS
    }
}

impl Chosen for Route {
    const VARIABLE: &'static str = "HARMONIUM_PRODUCT";
    const CHOICES: &'static [Self] = &[Self::Automatic, Self::Dense, Self::LookUp];

    fn default_here() -> Self {
        Self::Automatic
    }
}

impl FromStr for Route {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "automatic" => Ok(Self::Automatic),
            "dense" => Ok(Self::Dense),
            "lookup" => Ok(Self::LookUp),
            _ => Err(Error::parameter(
                Self::VARIABLE,
                "automatic, dense or lookup",
                name,
            )),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Automatic => "automatic",
            Self::Dense => "dense",
            Self::LookUp => "lookup",
        })
    }
}

static ROUTE: Choice<Route> = Choice::new();

/// The route in use in this process: what [`set_route`] chose last, else that of
/// [`Route::from_environment`], else (a value that [`crate::environment::check`] refuses) the
/// automatic one.
pub fn route() -> Route {
    ROUTE.get()
}

/// Products of bits go by `route` in this process from now on, whatever `HARMONIUM_PRODUCT` says.
///
/// The same seed gives the same bits only by the same route: choose it before the first work. A
/// change while other threads compute is safe.
pub fn set_route(route: Route) {
    ROUTE.set(route)
}

/// Weights `[n_l x n_{l+1}]` and their fixed-point copies, made when they are first needed.
#[derive(Debug, Default)]
pub struct Connection {
    weights: Matrix,
    /// Whether all weights are finite, once somebody asked.
    finite: OnceLock<bool>,
    fixed: OnceLock<FixedPoint>,
    /// Copies of earlier weights, whose memory the next ones take.
    spare: Option<FixedPoint>,
    /// The transpose of few weights, for the way down.
    turned: OnceLock<Matrix>,
    /// That of earlier weights.
    spare_turned: Option<Matrix>,
    /// Whether products of bits are looked up on the way up alone.
    one_way: bool,
}

impl Connection {
    /// A connection of these weights.
    pub fn new(weights: Matrix) -> Self {
        Self {
            weights,
            ..Self::default()
        }
    }

    /// A connection that is walked up: copies for the way down are not made, products that way are
    /// dense.
    pub fn one_way(weights: Matrix) -> Self {
        Self {
            one_way: true,
            ..Self::new(weights)
        }
    }

    /// The weights.
    pub fn weights(&self) -> &Matrix {
        &self.weights
    }

    /// The weights alone.
    pub fn into_weights(self) -> Matrix {
        self.weights
    }

    /// The weights, to be changed; copies become stale.
    pub fn weights_mut(&mut self) -> &mut Matrix {
        if let Some(fixed) = self.fixed.take() {
            self.spare = Some(fixed);
        }
        if let Some(turned) = self.turned.take() {
            self.spare_turned = Some(turned);
        }
        self.finite.take();
        &mut self.weights
    }

    /// The weights to be changed rectangle by rectangle, and the copies if they are in use, of
    /// which every rectangle is to be renewed as soon as its weights have changed.
    pub(crate) fn step_mut(&mut self) -> (MatrixViewMut<'_>, Option<CopiesMut<'_>>) {
        if let Some(turned) = self.turned.take() {
            self.spare_turned = Some(turned);
        }
        self.finite.take();
        if let Some(stale) = self.spare.take() {
            self.fixed = OnceLock::from(stale);
        }
        let copies = self.fixed.get_mut().map(FixedPoint::renewable);
        (self.weights.view_mut(), copies)
    }

    /// Makes the copies anew, without an allocation, if they were in use before the weights
    /// changed.
    pub fn refresh(&mut self) {
        if let Some(mut fixed) = self.spare.take() {
            fixed.refresh(&self.weights);
            self.fixed = OnceLock::from(fixed);
        }
        if let Some(mut turned) = self.spare_turned.take() {
            turn(&self.weights, &mut turned);
            self.turned = OnceLock::from(turned);
        }
    }

    /// The product of `input` with the weights, as exact as `precision` says.
    ///
    /// # Errors
    /// Unless all is to be exact, [`Error::NotFinite`] for NaN or infinite weights: states must not
    /// be drawn from them.
    pub fn term<'a>(
        &'a self,
        input: Input<'a>,
        direction: Direction,
        precision: Precision,
    ) -> Result<Term<'a>> {
        let (n, m) = (self.weights.rows(), self.weights.columns());
        let may_round = match (precision, input) {
            (Precision::Exact, _) | (Precision::ExactReals, Input::Real(_)) => false,
            (Precision::ExactReals, Input::Bits(_)) | (Precision::Fast, _) => true,
        };
        let fast = may_round && route().takes_look_up(n, m);
        let copies = || match self.one_way {
            false => FixedPoint::new(&self.weights),
            true => FixedPoint::one_way(&self.weights),
        };
        let fixed = fast
            .then(|| self.fixed.get_or_init(copies))
            .filter(|fixed| fixed.largest_step() <= LARGEST_STEP && fixed.walks(direction));
        // Copies of a step below the largest are of finite weights.
        if precision != Precision::Exact && fixed.is_none() && !self.is_finite() {
            return Err(Error::NotFinite {
                what: "weights".into(),
            });
        }
        let (weights, direction) = match direction {
            Direction::Down if fixed.is_none() && Route::is_small(n, m) => {
                // `X W'` is the product of the turned weights upwards, to the bit.
                (self.turned.get_or_init(|| self.turn()), Direction::Up)
            }
            _ => (&self.weights, direction),
        };
        Ok(Term {
            input,
            weights,
            direction,
            fixed,
        })
    }

    fn is_finite(&self) -> bool {
        let is_finite = || are_finite(self.weights.padded());
        *self.finite.get_or_init(is_finite)
    }

    fn turn(&self) -> Matrix {
        let mut turned = Matrix::default();
        turn(&self.weights, &mut turned);
        turned
    }

    /// The largest step of the fixed-point weights that products with bits take; none if they take
    /// the weights as they are. A weight is off by at most half of it.
    pub fn look_up_step(&self) -> Option<f32> {
        let (n, m) = (self.weights.rows(), self.weights.columns());
        let step = route()
            .takes_look_up(n, m)
            .then(|| self.fixed.get_or_init(|| FixedPoint::new(&self.weights)));
        step.map(FixedPoint::largest_step)
            .filter(|&step| step <= LARGEST_STEP)
    }
}

impl Clone for Connection {
    fn clone(&self) -> Self {
        Self {
            one_way: self.one_way,
            ..Self::new(self.weights.clone())
        }
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        self.weights == other.weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bits::BitMatrix,
        product::{
            Propagation, Tail,
            dense::{Provider, provider},
            propagate,
        },
        rng::HostRng,
        threads,
    };

    fn random(rows: usize, columns: usize, seed: u64) -> Matrix {
        let mut rng = HostRng::numbered(seed, 77);
        Matrix::from_fn(rows, columns, |_, _| rng.normal() as f32)
    }

    /// The promise of [`Route::SMALL`]: plain sums in f32, inputs in order in blocks of 256, the
    /// same bits for any number of rows and of threads, both ways.
    #[test]
    fn products_of_small_connections_are_exact() {
        if route() == Route::LookUp || provider() != Provider::Native {
            return; // asked for by the environment: rounded weights, or sums in another order
        }
        for (n, m) in [(16, 16), (64, 100), (128, 64), (600, 13), (33, 248)] {
            assert!(n * m <= Route::SMALL && !Route::Automatic.takes_look_up(n, m));
            let connection = Connection::new(random(n, m, 21));
            for (direction, inputs, outputs) in [(Direction::Up, n, m), (Direction::Down, m, n)] {
                let x =
                    BitMatrix::from_fn(300, inputs, |i, j| (i * i + j * 7 + i * j) % 11 < i % 12);
                let weight = |i: usize, j: usize| match direction {
                    Direction::Up => connection.weights().row(i)[j],
                    Direction::Down => connection.weights().row(j)[i],
                };
                let expected = Matrix::from_fn(300, outputs, |s, j| {
                    let blocks = (0..inputs).step_by(256).map(|first| {
                        let block = first..(first + 256).min(inputs);
                        block
                            .filter(|&i| x.get(s, i))
                            .fold(0.0, |sum, i| sum + weight(i, j))
                    });
                    blocks.fold(0.0, |sum: f32, block: f32| sum + block)
                });
                let bias = vec![0.0; outputs];
                for rows in [
                    1, 2, 7, 8, 9, 10, 31, 32, 63, 64, 65, 100, 192, 255, 256, 257, 300,
                ] {
                    for (precision, threads) in [
                        (Precision::Fast, 1),
                        (Precision::Fast, 3),
                        (Precision::Exact, 2),
                    ] {
                        let mut got = Matrix::zeros(rows, outputs);
                        let work = || {
                            let states = x.view_rows(300 - rows..300).into();
                            let term = connection.term(states, direction, precision).unwrap();
                            let tail = Tail {
                                input: Some(got.view_mut()),
                                ..Tail::new(1.0)
                            };
                            propagate(&[term], &bias, tail, &mut Propagation::default()).unwrap();
                        };
                        threads::with(threads, work).unwrap();
                        for s in 0..rows {
                            let what = format!("{n} x {m}, {direction:?}, row {s} of {rows}");
                            assert_eq!(got.row(s), expected.row(300 - rows + s), "{what}");
                        }
                    }
                }
            }
        }
    }

    /// The sizes alone decide, and the larger ones are looked up.
    #[test]
    fn routes_follow_from_sizes() {
        for (n, m, looked_up) in [
            (32, 256, false),
            (32, 257, true),
            (31, 5000, false),
            (784, 500, true),
        ] {
            for (n, m) in [(n, m), (m, n)] {
                assert_eq!(Route::Automatic.takes_look_up(n, m), looked_up, "{n} x {m}");
                assert!(Route::LookUp.takes_look_up(n, m) && !Route::Dense.takes_look_up(n, m));
            }
        }
    }

    /// After a change of the weights the way down sees the new ones, refreshed or not.
    #[test]
    fn turned_weights_follow_the_weights() {
        let mut connection = Connection::new(random(20, 30, 5));
        let x = BitMatrix::from_fn(3, 30, |i, j| (i + j) % 3 == 0);
        let product = |connection: &Connection| {
            let mut out = Matrix::zeros(3, 20);
            let term = connection
                .term((&x).into(), Direction::Down, Precision::Exact)
                .unwrap();
            let tail = Tail {
                input: Some(out.view_mut()),
                ..Tail::new(1.0)
            };
            propagate(&[term], &[0.0; 20], tail, &mut Propagation::default()).unwrap();
            out
        };
        let before = product(&connection);
        for refreshes in [true, false, true] {
            connection.weights_mut().row_mut(7)[0] += 1.0;
            if refreshes {
                connection.refresh();
            }
            let fresh = Connection::new(connection.weights().clone());
            assert_eq!(product(&connection), product(&fresh));
            assert_ne!(product(&connection), before);
        }
    }
}
