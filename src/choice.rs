//! What a process chooses once for all of its work: from code, else from an environment variable.
//!
//! A value of the environment that means nothing is an error of [`crate::environment::check`],
//! which long work asks first. Work that did not ask goes on with the default.

use crate::error::{Error, Result};
use std::{
    ffi::OsStr,
    marker::PhantomData,
    str::FromStr,
    sync::atomic::{AtomicU8, Ordering},
};

/// Something of which a process uses one.
pub(crate) trait Chosen: Copy + PartialEq + FromStr<Err = Error> + 'static {
    /// The environment variable that names one.
    const VARIABLE: &'static str;
    /// All that there are: fewer than 255.
    const CHOICES: &'static [Self];
    /// The one that is used where nobody says anything.
    fn default_here() -> Self;
    /// Refuses, in the name of `what` asked for it, one that this machine lacks.
    fn expect_here(self, _what: &str) -> Result<()> {
        Ok(())
    }

    /// The one that the environment asks for, or the default.
    fn of_environment() -> Result<Self> {
        std::env::var_os(Self::VARIABLE).map_or_else(|| Ok(Self::default_here()), |x| Self::of(&x))
    }

    /// The one that the variable names when it holds `value`.
    fn of(value: &OsStr) -> Result<Self> {
        let chosen: Self = value.to_string_lossy().parse()?;
        chosen.expect_here(Self::VARIABLE)?;
        Ok(chosen)
    }
}

/// The one in use, once anybody has asked or said.
pub(crate) struct Choice<T> {
    /// Its place among [`Chosen::CHOICES`], or [`NONE`].
    place: AtomicU8,
    of: PhantomData<T>,
}

const NONE: u8 = u8::MAX;

impl<T: Chosen> Choice<T> {
    pub(crate) const fn new() -> Self {
        Self {
            place: AtomicU8::new(NONE),
            of: PhantomData,
        }
    }

    /// The one in use: what code chose last, else that of the environment, else the default.
    pub(crate) fn get(&self) -> T {
        let place = self.place.load(Ordering::Relaxed);
        match T::CHOICES.get(usize::from(place)) {
            Some(&chosen) => chosen,
            None => self.first(),
        }
    }

    #[cold]
    fn first(&self) -> T {
        let place = place(T::of_environment().unwrap_or_else(|_| T::default_here()));
        // What code chose meanwhile stays.
        let (order, to) = (Ordering::Relaxed, &self.place);
        let place = to
            .compare_exchange(NONE, place, order, order)
            .map_or_else(|chosen| chosen, |_| place);
        T::CHOICES[usize::from(place)]
    }

    /// Uses `chosen` from now on, which this machine must have.
    pub(crate) fn set(&self, chosen: T) {
        self.place.store(place(chosen), Ordering::Relaxed);
    }
}

fn place<T: Chosen>(chosen: T) -> u8 {
    let at = T::CHOICES.iter().position(|x| *x == chosen);
    // Every choice is among all of them.
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Tea {
        Green,
        Black,
        /// Which this machine lacks.
        White,
    }

    impl FromStr for Tea {
        type Err = Error;
        fn from_str(name: &str) -> Result<Self> {
            match name {
                "green" => Ok(Self::Green),
                "black" => Ok(Self::Black),
                "white" => Ok(Self::White),
                _ => Err(Error::parameter("HARMONIUM_TEST_TEA", "a tea", name)),
            }
        }
    }

    impl Chosen for Tea {
        const VARIABLE: &'static str = "HARMONIUM_TEST_TEA";
        const CHOICES: &'static [Self] = &[Self::Green, Self::Black, Self::White];
        fn default_here() -> Self {
            Self::Black
        }
        fn expect_here(self, what: &str) -> Result<()> {
            match self {
                Self::White => Err(Error::parameter(what, "green or black", "white")),
                _ => Ok(()),
            }
        }
    }

    #[test]
    fn code_goes_before_the_default() {
        let choice = Choice::<Tea>::new();
        assert_eq!(choice.get(), Tea::Black);
        choice.set(Tea::Green);
        assert_eq!(choice.get(), Tea::Green);
        // Before anybody asked, too.
        let choice = Choice::<Tea>::new();
        choice.set(Tea::Green);
        assert_eq!(choice.get(), Tea::Green);
    }

    #[test]
    fn values_of_the_variable_are_taken_or_refused() {
        assert_eq!(Tea::of(OsStr::new("green")).unwrap(), Tea::Green);
        for (value, expected) in [
            ("white", "green or black"),
            ("", "a tea"),
            ("Green", "a tea"),
        ] {
            let error = Tea::of(OsStr::new(value)).unwrap_err().to_string();
            let expected = format!("HARMONIUM_TEST_TEA: expected {expected}, found {value}");
            assert_eq!(error, expected);
        }
        assert_eq!(Tea::of_environment().unwrap(), Tea::Black);
    }
}
