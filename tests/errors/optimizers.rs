//! Options of learning that are out of range.

use harmonium::{
    Error,
    train::{Averaging, Centering, Learning, Offset, RbmOptions, Rule, Sparsity},
};

#[test]
fn options_out_of_range_are_refused() {
    let wrong = [
        RbmOptions {
            centering: Some(Centering {
                rate: 1.5,
                ..Centering::default()
            }),
            ..RbmOptions::default()
        },
        RbmOptions {
            centering: Some(Centering {
                visible: Offset::Fixed(f32::NAN),
                ..Centering::default()
            }),
            ..RbmOptions::default()
        },
        RbmOptions {
            learning: Learning {
                optimizer: Rule::AdaMax {
                    first: 1.0,
                    second: 0.9,
                },
                ..Learning::default()
            },
            ..RbmOptions::default()
        },
        RbmOptions {
            learning: Learning {
                optimizer: Rule::Adam {
                    first: 0.9,
                    second: 0.9,
                    epsilon: 0.0,
                },
                ..Learning::default()
            },
            ..RbmOptions::default()
        },
        RbmOptions {
            sparsity: Some(Sparsity {
                target: 0.0,
                ..Sparsity::default()
            }),
            ..RbmOptions::default()
        },
        RbmOptions {
            learning: Learning {
                max_norm: Some(0.0),
                ..Learning::default()
            },
            ..RbmOptions::default()
        },
        RbmOptions {
            learning: Learning {
                averaging: Some(Averaging::Last(0.0)),
                ..Learning::default()
            },
            ..RbmOptions::default()
        },
    ];
    for options in wrong {
        assert!(
            matches!(options.check(), Err(Error::Parameter { .. })),
            "{options:?}"
        );
    }
    // Files of runs that did not know of centering go on without it.
    let old: RbmOptions = serde_json::from_str("{}").unwrap();
    assert_eq!(old.centering, None);
}
