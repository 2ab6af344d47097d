//! What readers accept, whatever the format.

/// The greatest label that a reader accepts. Greater numbers are no classes, and a class takes
/// memory.
pub(super) const MAX_LABEL: u32 = 65_535;

/// Numbers that a reader accepts as values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// Those in [0, 1].
    UnitInterval,
    /// Any that are finite as f32.
    Finite,
}

impl Accepted {
    pub(super) fn contains(self, x: f64) -> bool {
        match self {
            Self::UnitInterval => (0.0..=1.0).contains(&x),
            Self::Finite => (x as f32).is_finite(),
        }
    }

    /// What follows "a number" in a refusal.
    pub(super) fn phrase(self) -> &'static str {
        match self {
            Self::UnitInterval => " in [0, 1]",
            Self::Finite => " of finite size",
        }
    }
}
