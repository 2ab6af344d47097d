//! What a field of a text holds.

/// Words for a value that is missing, in small letters.
const MISSING: [&str; 9] = ["", "?", "na", "n/a", "nan", "null", "none", "nil", "<na>"];
/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Field {
    Number(f64),
    /// `true` and `false`, which count as 1 and 0.
    Boolean(bool),
    Missing,
    Text,
}

/// What `field` holds; infinities are numbers, to be refused as values.
pub(super) fn field(field: &[u8]) -> Field {
    let Ok(text) = str::from_utf8(field) else {
        return Field::Text;
    };
    if let Ok(x) = text.parse::<f64>() {
        return match x.is_nan() {
            true => Field::Missing,
            false => Field::Number(x),
        };
    }
    match text.to_ascii_lowercase().as_str() {
        "true" => Field::Boolean(true),
        "false" => Field::Boolean(false),
        word if MISSING.contains(&word) => Field::Missing,
        _ => Field::Text,
    }
}
