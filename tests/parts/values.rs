//! Options by their names.

use harmonium::{
    recipe::{Plan, RbmPlan, Values},
    train::{Centering, Learning, Negative, RbmOptions, Rule},
    units::{Kind, Units},
};
use std::collections::BTreeMap;

fn plan() -> Plan {
    Plan::Rbm(RbmPlan {
        visible: Units::of(Kind::Bernoulli, 9),
        hidden: Units::of(Kind::Bernoulli, 4),
        options: RbmOptions {
            learning: Learning {
                learning_rate: "linear:0.1:0".parse().unwrap(),
                momentum: "at:0=0.5,5=0.9".parse().unwrap(),
                weight_decay: 2e-4,
                optimizer: Rule::ADAM,
                averaging: "last:0.5".parse().ok(),
                seed: (1 << 53) + 1,
                ..Learning::default()
            },
            negative: Negative::Tempered {
                chains: 7,
                steps: 2,
                temperatures: 4,
                lowest: 0.9,
            },
            centering: Some(Centering::default()),
            ..RbmOptions::default()
        },
    })
}

#[test]
fn options_agree_with_what_is_the_same() {
    let values = plan().values();
    for (name, said, agrees) in [
        ("learning_rate", "linear:0.10:0.0", true),
        ("learning_rate", "0.1", false),
        ("momentum", "at:0=.5,5=.9", true),
        ("weight_decay", "0.0002", true),
        ("weight_decay", "2.1e-4", false),
        ("optimizer", "adam", true),
        ("optimizer", "adamax", false),
        ("averaging", "last:.5", true),
        ("averaging", "exponential:0.5", false),
        ("negative", "tempered", true),
        ("negative", "pcd", false),
        ("negative.chains", "07", true),
        ("negative.lowest", "0.9", true),
        ("centering.visible", "data", true),
        ("centering.hidden", "average", false),
        // As f32 these two are one number.
        ("seed", "9007199254740993", true),
        ("seed", "9007199254740992", false),
        ("hidden", "4", true),
        // What is not set agrees with nothing.
        ("max_norm", "1", false),
        ("nonsense", "1", false),
    ] {
        assert_eq!(values.agree(name, &[said.into()]), agrees, "{name} {said}");
    }
}

#[test]
fn layers_have_values_of_their_own() {
    let mut values = Values::default();
    for epochs in [2, 3] {
        values.add("layers", &BTreeMap::from([("epochs", epochs)]));
    }
    let agree = |said: &[&str]| {
        let said: Vec<String> = said.iter().map(|x| (*x).into()).collect();
        values.agree("layers.epochs", &said)
    };
    assert!(agree(&["2", "3"]));
    assert!(!agree(&["2"]) && !agree(&["3", "2"]) && !agree(&["2", "3", "3"]));
    values = Values::default();
    values.add("layers", &[BTreeMap::from([("epochs", 5)]); 1]);
    assert!(values.agree("layers.epochs", &["5".into()]));
}
