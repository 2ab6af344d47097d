//! What flags say of a file, and of the units that its columns become.

use crate::{
    args::{DataArgs, ReadingArgs, UnitsArgs},
    failure::{Failure, Outcome},
    run::data::{Data, Source, resolved},
};
use harmonium::{
    dataset::{Asked, Binarization, Reading},
    model::Missing,
    units::{Kind, Units},
};

impl ReadingArgs {
    /// What the flags say of a file.
    pub fn reading(&self) -> Reading {
        Reading {
            header: self.header,
            columns: self.columns.clone(),
            label: self.label.as_deref().map(of_column_or_file),
            weight: self.weight.as_deref().map(of_column_or_file),
            scale: self.scale,
            missing: self.missing.is_some(),
            row_names: false,
        }
    }

    /// Refuses `--missing=absent` of a machine other than an RBM.
    ///
    /// # Errors
    /// That.
    pub fn expect_inferred(&self) -> Outcome<()> {
        match self.missing {
            Some(Missing::Absent) => Err(Failure::usage(
                "--missing=absent: RBMs alone do without the units of what is missing",
            )
            .hint("--missing infers it; `harmonium train rbm` has both")),
            _ => Ok(()),
        }
    }

    /// Puts what the flags say in place of what `reading` has.
    pub fn apply(&self, reading: &mut Reading) {
        let said = self.reading();
        reading.header = said.header.or(reading.header);
        reading.label = said.label.or(reading.label.take());
        reading.weight = said.weight.or(reading.weight.take());
        reading.scale = said.scale.or(reading.scale);
        reading.missing |= said.missing;
        if !said.columns.is_empty() {
            reading.columns = said.columns;
        }
    }
}

/// A column, or a file by a path that means the same in every directory.
fn of_column_or_file(name: &str) -> String {
    match std::path::Path::new(name).is_file() {
        true => resolved(name),
        false => name.to_owned(),
    }
}

/// The source with the visible units that are asked for.
///
/// # Errors
/// Flags about bits of units that take numbers.
pub fn for_units(
    source: Source,
    units: &UnitsArgs,
    (data, is_resampled): (&DataArgs, bool),
) -> Outcome<Source> {
    let kinds = units.visible_units.as_deref();
    let has = |kind: &str| kinds.is_some_and(|x| x.split('+').any(|s| s.starts_with(kind)));
    let is_real = has("gaussian") || has("relu");
    if units.standardize && !is_real {
        return Err(Failure::usage(
            "--standardize: standardized values are states of gaussian units alone",
        )
        .hint("choose --visible-units gaussian"));
    }
    let is_of_bits = is_resampled || data.binarize.is_some_and(|b| b != Binarization::None);
    let are_numbers = is_real || has("counts");
    if are_numbers && is_of_bits || is_resampled && has("spin") {
        return Err(Failure::usage(format!(
            "--visible-units {}: such units take numbers, not bits drawn from them",
            kinds.unwrap_or_default()
        ))
        .hint("leave --binarize and --resample out"));
    }
    Ok(Source {
        asked: Asked {
            units: units.visible_units.clone(),
            standardize: units.standardize,
            least_deviation: units.least_deviation.unwrap_or(0.0),
            signs_as_bits: false,
        },
        ..source
    })
}

/// The source of a machine whose visible units are bits, or of the units that are asked for:
/// Bernoulli units and softmax groups.
///
/// # Errors
/// Units of other kinds.
pub fn for_bits(source: Source, units: Option<&str>) -> Outcome<Source> {
    let Some(units) = units else {
        let asked = Asked {
            units: Some("bernoulli".into()),
            signs_as_bits: true,
            ..Asked::default()
        };
        return Ok(Source { asked, ..source });
    };
    let is_binary = |segment: &str| {
        let name = segment.split(':').next().unwrap_or_default();
        Kind::ALL
            .into_iter()
            .any(|kind| kind.name() == name && kind.is_binary())
    };
    if !units.split('+').all(is_binary) {
        let message = format!(
            "--visible-units {units}: deep and general Boltzmann machines have bernoulli and softmax units"
        );
        return Err(Failure::usage(message).hint("`train rbm` has spins and numbers"));
    }
    let asked = Asked {
        units: Some(units.to_owned()),
        ..Asked::default()
    };
    Ok(Source { asked, ..source })
}

/// The visible units of data that are not bits alone.
pub fn other_than_bits(data: &Data) -> Option<Units> {
    let units = data.encoding.units();
    (!units.are(Kind::Bernoulli)).then(|| units.clone())
}
