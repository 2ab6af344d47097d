//! Units as they are asked for, before anybody knows how many columns are which.

use crate::{
    error::{Error, Result},
    units::Kind,
};

/// What is asked of an encoding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// Kinds of units for the columns: `spin`, or segments such as `bernoulli:5+gaussian` of as
    /// many columns each, of which one may leave its number out. A softmax group of K is
    /// `softmax:K` and stands for one column of categories or for K columns of which one is 1;
    /// `softmax:21*53` are 53 such groups; `softmax` alone takes the categories from the data. If
    /// nothing is asked, the values decide.
    pub units: Option<String>,
    /// Whether Bernoulli units that are asked for take columns of -1 and 1, as 0 and 1: of machines
    /// that have no spins. Without units that are asked for, such columns are spins all the same.
    pub signs_as_bits: bool,
    /// Whether columns of numbers are standardized: minus their mean, over their deviation.
    pub standardize: bool,
    /// The least deviation of a standardization, as a share of the root mean variance of all
    /// columns; 0 leaves each its own.
    pub least_deviation: f64,
}

/// Consecutive columns of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Segment {
    pub(super) kind: Kind,
    /// Units of a softmax group, columns of another kind; untold if it is all that is left.
    pub(super) size: Option<usize>,
    /// Groups of that size.
    pub(super) times: usize,
}

/// The segments of `text`.
///
/// # Errors
/// [`Error::Parameter`] for kinds that do not exist and sizes that are none.
pub(super) fn segments(text: &str) -> Result<Vec<Segment>> {
    let wrong = || {
        let names = Kind::ALL.map(Kind::name).join(", ");
        let expected = format!(
            "{names}, or segments such as bernoulli:500+softmax:10, with softmax:21*53 for 53 groups"
        );
        Error::parameter("units", expected, format!("{text:?}"))
    };
    let size = |text: &str| {
        text.parse::<usize>()
            .ok()
            .filter(|&n| n > 0)
            .ok_or_else(wrong)
    };
    let segment = |part: &str| {
        let (name, sizes) = match part.split_once(':') {
            Some((name, sizes)) => (name, Some(sizes)),
            None => (part, None),
        };
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        let kind = kind.ok_or_else(wrong)?;
        let (size, times) = match sizes.map(|x| x.split_once('*').unwrap_or((x, "1"))) {
            None => (None, 1),
            Some((k, times)) => (Some(size(k)?), size(times)?),
        };
        match times > 1 && kind != Kind::Softmax {
            true => Err(wrong()),
            false => Ok(Segment { kind, size, times }),
        }
    };
    let segments: Vec<Segment> = text.split('+').map(segment).collect::<Result<_>>()?;
    match segments.iter().filter(|x| x.size.is_none()).count() {
        0 | 1 => Ok(segments),
        _ => Err(Error::parameter(
            "units",
            "a number in all segments but one, such as bernoulli:5+gaussian",
            format!("{text:?}"),
        )),
    }
}

/// Whether the columns of a softmax segment are its units (one-hot) or its groups (categories).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Softmax {
    OneHot,
    Categories,
}

/// Columns of each segment, or nothing if they are not `columns` in all.
pub(super) fn widths(segments: &[Segment], softmax: Softmax, columns: usize) -> Option<Vec<usize>> {
    let told = |s: &Segment| match (s.kind, softmax, s.size) {
        (_, _, None) => Some(0),
        (Kind::Softmax, Softmax::Categories, Some(_)) => Some(s.times),
        (_, _, Some(n)) => n.checked_mul(s.times),
    };
    let widths: Option<Vec<usize>> = segments.iter().map(told).collect();
    let mut widths = widths?;
    let sum = widths
        .iter()
        .try_fold(0_usize, |sum, &n| sum.checked_add(n))?;
    let rest = columns.checked_sub(sum)?;
    match segments.iter().position(|x| x.size.is_none()) {
        Some(k) => widths[k] = rest,
        None if rest > 0 => return None,
        None => {}
    }
    Some(widths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_and_their_columns() {
        let of = |text: &str, softmax, columns| widths(&segments(text).unwrap(), softmax, columns);
        assert_eq!(of("spin", Softmax::OneHot, 7), Some(vec![7]));
        assert_eq!(
            of("spin:3+gaussian:4", Softmax::OneHot, 7),
            Some(vec![3, 4])
        );
        assert_eq!(
            of("softmax:3+softmax:4", Softmax::OneHot, 7),
            Some(vec![3, 4])
        );
        assert_eq!(
            of("softmax:3+softmax:4", Softmax::Categories, 2),
            Some(vec![1, 1])
        );
        assert_eq!(of("softmax:21*53", Softmax::Categories, 53), Some(vec![53]));
        assert_eq!(of("softmax:21*53", Softmax::OneHot, 1113), Some(vec![1113]));
        assert_eq!(
            of("bernoulli+softmax:4", Softmax::OneHot, 9),
            Some(vec![5, 4])
        );
        assert_eq!(of("bernoulli:8", Softmax::OneHot, 9), None);
        for bad in [
            "",
            "gauss",
            "spin:0",
            "spin:x",
            "spin*2",
            "spin:2*2",
            "spin+spin",
            "softmax:2*",
        ] {
            assert!(segments(bad).is_err(), "{bad}");
        }
    }
}
