//! Options as files store them: flat, under the keys that they have had since the first version.

use harmonium::train::{
    BackpropOptions, BoltzmannOptions, DbmOptions, Learning, RbmOptions, Schedule, UpDownOptions,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use std::fmt::Debug;

const SHARED: [&str; 13] = [
    "epochs",
    "batch_size",
    "learning_rate",
    "least_rate",
    "momentum",
    "weight_decay",
    "l1_decay",
    "gradient_clip",
    "max_norm",
    "averaging",
    "optimizer",
    "resample_data",
    "seed",
];

trait Stored: Default + Clone + PartialEq + Debug + Serialize + DeserializeOwned {
    /// The key of the rate.
    const RATE: &'static str = "learning_rate";
    /// Keys beside the shared ones.
    const OWN: &'static [&'static str];

    fn learning(&mut self) -> &mut Learning;
}

macro_rules! stored {
    ($options:ty, $own:expr $(, $rate:expr)?) => {
        impl Stored for $options {
            $(const RATE: &'static str = $rate;)?
            const OWN: &'static [&'static str] = &$own;
            fn learning(&mut self) -> &mut Learning {
                &mut self.learning
            }
        }
    };
}

stored!(
    RbmOptions,
    [
        "negative",
        "steps",
        "objective",
        "variance_rate",
        "doubled",
        "centering",
        "sparsity",
        "missing"
    ]
);
stored!(
    DbmOptions,
    [
        "mean_field",
        "warm_start",
        "chains",
        "sweeps",
        "centering",
        "sparsity",
        "positive",
        "negative"
    ]
);
stored!(BoltzmannOptions, ["positive", "negative"]);
stored!(
    UpDownOptions,
    ["steps", "generative_rate", "recognition_rate", "negative"],
    "top_rate"
);
stored!(
    BackpropOptions,
    [
        "descent",
        "output_epochs",
        "input_dropout",
        "hidden_dropout"
    ]
);

fn object(x: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(x).unwrap() {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

fn flat<O: Stored>() {
    // Exactly these keys, side by side.
    let default = object(&O::default());
    let mut expected: Vec<&str> = SHARED
        .iter()
        .map(|key| {
            if *key == "learning_rate" {
                O::RATE
            } else {
                key
            }
        })
        .chain(O::OWN.iter().copied())
        .collect();
    let mut found: Vec<&str> = default.keys().map(String::as_str).collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);

    // Text comes back, of the defaults and of others.
    let mut other = O::default();
    *other.learning() = Learning {
        epochs: 7,
        batch_size: 11,
        learning_rate: Schedule::Inverse {
            initial: 0.3,
            half_life: 4.0,
        },
        least_rate: 1e-5,
        momentum: Schedule::Pieces(vec![(0.0, 0.1), (2.0, 0.7)]),
        weight_decay: 1e-3,
        l1_decay: 2e-4,
        gradient_clip: Some(3.0),
        max_norm: Some(2.5),
        averaging: Some(harmonium::train::Averaging::Last(0.25)),
        optimizer: harmonium::train::Rule::ADAM,
        resample_data: true,
        seed: u64::MAX,
    };
    for options in [O::default(), other.clone()] {
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(serde_json::from_str::<O>(&text).unwrap(), options);
    }

    // Keys that are missing are the family's defaults, one by one and all together.
    let empty: O = serde_json::from_value(json!({})).unwrap();
    assert_eq!(empty, O::default());
    let full = object(&other);
    for key in default.keys() {
        let mut some = full.clone();
        some.remove(key);
        let mut expected = full.clone();
        expected.insert(key.clone(), default[key].clone());
        let found: O = serde_json::from_value(Value::Object(some)).unwrap();
        assert_eq!(object(&found), expected, "without {key}");
        let one = json!({ key: full[key] });
        let mut expected = default.clone();
        expected.insert(key.clone(), full[key].clone());
        let found: O = serde_json::from_value(one).unwrap();
        assert_eq!(object(&found), expected, "{key} alone");
    }

    // Others are refused by name, with those that there are; so is what is no object.
    let no_rate = if O::RATE == "top_rate" {
        "learning_rate"
    } else {
        "top_rate"
    };
    for unknown in ["epoch", "learning", no_rate, ""] {
        let mut map = full.clone();
        map.insert(unknown.into(), json!(1));
        let error = serde_json::from_value::<O>(Value::Object(map)).unwrap_err();
        let error = error.to_string();
        let names = [&format!("\"{unknown}\""), "unknown", "batch_size", O::RATE];
        assert!(names.iter().all(|name| error.contains(name)), "{error}");
    }
    assert!(serde_json::from_str::<O>("[]").is_err());
    for (key, wrong) in [
        ("epochs", json!(-1)),
        ("epochs", json!("many")),
        ("momentum", json!({"constant": "x"})),
        ("optimizer", json!("newton")),
    ] {
        let error = serde_json::from_value::<O>(json!({ key: wrong }));
        assert!(error.is_err(), "{key}: {wrong}");
    }
}

#[test]
fn options_of_every_family_are_stored_flat() {
    flat::<RbmOptions>();
    flat::<DbmOptions>();
    flat::<BoltzmannOptions>();
    flat::<UpDownOptions>();
    flat::<BackpropOptions>();
}

/// Options as version 0.1 wrote them: they mean what they meant, and stay so when they are written
/// again.
fn old<O: Stored>(text: &str, expected: O) {
    let found: O = serde_json::from_str(text).unwrap();
    assert_eq!(found, expected);
    let again = object(&found);
    let Value::Object(old) = serde_json::from_str(text).unwrap() else {
        panic!("no object");
    };
    for (key, value) in old {
        assert_eq!(again[&key], value, "{key}");
    }
}

fn linear(from: f32, to: f32) -> Schedule {
    Schedule::Linear { from, to }
}

#[test]
fn old_options_of_up_down_load() {
    old(
        r#"{"epochs":1,"batch_size":40,"steps":{"pieces":[[0.0,3.0],[1.0,10.0]]},
            "generative_rate":{"linear":{"from":0.5,"to":0.0}},
            "recognition_rate":{"linear":{"from":0.25,"to":0.0}},
            "top_rate":{"linear":{"from":0.125,"to":0.0}},"momentum":{"constant":0.5},
            "weight_decay":0.0,"resample_data":true,"seed":36}"#,
        UpDownOptions {
            steps: Schedule::Pieces(vec![(0.0, 3.0), (1.0, 10.0)]),
            generative_rate: linear(0.5, 0.0),
            recognition_rate: linear(0.25, 0.0),
            negative: None,
            learning: Learning {
                epochs: 1,
                batch_size: 40,
                learning_rate: linear(0.125, 0.0),
                momentum: 0.5.into(),
                resample_data: true,
                seed: 36,
                ..Learning::default()
            },
        },
    );
}

#[test]
fn old_options_of_general_machines_load() {
    old(
        r#"{"positive":"exact","negative":"exact","epochs":4,"batch_size":50,
            "learning_rate":{"constant":0.25},"momentum":{"constant":0.0},"weight_decay":0.0,
            "l1_decay":0.5,"optimizer":"momentum","seed":45}"#,
        BoltzmannOptions {
            positive: harmonium::train::Positive::Exact,
            negative: harmonium::train::Negative::Exact,
            learning: Learning {
                epochs: 4,
                batch_size: 50,
                learning_rate: 0.25.into(),
                l1_decay: 0.5,
                seed: 45,
                ..Learning::default()
            },
        },
    );
}

#[test]
fn old_options_of_an_rbm_load() {
    old(
        r#"{"negative":{"persistent":{"chains":10,"steps":1}},"epochs":4,"batch_size":25,
            "learning_rate":{"linear":{"from":0.5,"to":0.0}},"momentum":{"constant":0.0},
            "weight_decay":0.25,"l1_decay":0.0,"gradient_clip":null,"resample_data":false,"seed":9,
            "optimizer":"nesterov","centering":null,"sparsity":null,"max_norm":null,
            "averaging":null}"#,
        RbmOptions {
            negative: harmonium::train::Negative::Persistent {
                chains: 10,
                steps: 1,
            },
            learning: Learning {
                epochs: 4,
                batch_size: 25,
                learning_rate: linear(0.5, 0.0),
                weight_decay: 0.25,
                optimizer: harmonium::train::Rule::Nesterov,
                seed: 9,
                ..Learning::default()
            },
            ..RbmOptions::default()
        },
    );
}

#[test]
fn old_options_of_a_deep_machine_load() {
    old(
        r#"{"mean_field":{"iterations":30,"tolerance":0.5,"damping":0.0},"warm_start":false,
            "chains":10,"sweeps":5,"epochs":1,"batch_size":40,
            "learning_rate":{"linear":{"from":0.5,"to":0.0}},"least_rate":0.0,
            "momentum":{"pieces":[[0.0,0.5],[5.0,0.75]]},"weight_decay":0.25,"l1_decay":0.0,
            "optimizer":"momentum","centering":null,"sparsity":[],"resample_data":true,"seed":42}"#,
        DbmOptions {
            positive: harmonium::train::Positive::MeanField(harmonium::model::MeanField {
                iterations: 30,
                tolerance: 0.5,
                damping: 0.0,
            }),
            negative: harmonium::train::Negative::Persistent {
                chains: 10,
                steps: 5,
            },
            centering: None,
            learning: Learning {
                epochs: 1,
                batch_size: 40,
                learning_rate: linear(0.5, 0.0),
                momentum: Schedule::Pieces(vec![(0.0, 0.5), (5.0, 0.75)]),
                weight_decay: 0.25,
                resample_data: true,
                seed: 42,
                ..Learning::default()
            },
            ..DbmOptions::default()
        },
    );
}
