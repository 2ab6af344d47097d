//! Kinds of units.

use harmonium::{Kind, Units};

#[test]
fn units_of_the_contract() {
    let bernoulli = Units::of(Kind::Bernoulli, 7);
    for text in ["bernoulli", "bernoulli:7", "bernoulli:3+bernoulli:4"] {
        assert_eq!(Units::parse(text, 7).unwrap(), bernoulli);
    }
    assert_eq!(bernoulli.to_string(), "bernoulli");
    let joint = Units::of(Kind::Bernoulli, 5).and(Kind::Softmax, 2);
    for text in ["bernoulli:5+softmax:2", "bernoulli+softmax:2"] {
        assert_eq!(Units::parse(text, 7).unwrap(), joint);
    }
    assert_eq!(joint.to_string(), "bernoulli:5+softmax:2");
    assert_eq!(joint.last_group().unwrap().range(), 5..7);
    let potts = Units::parse("softmax:3+softmax:4", 7).unwrap();
    assert_eq!(potts.segments().len(), 2);
    let three = Units::parse("bernoulli+softmax:2*3", 7).unwrap();
    assert_eq!(
        three.to_string(),
        "bernoulli:1+softmax:2+softmax:2+softmax:2"
    );
    for text in ["softmax:7", "spin", "gaussian", "relu", "spin:3+gaussian:4"] {
        assert_eq!(Units::parse(text, 7).unwrap().to_string(), text);
    }
    for bad in [
        "",
        "gauss",
        "bernoulli:6",
        "bernoulli:x",
        "bernoulli:7+softmax:0",
        "bernoulli:3+softmax:5",
        "softmax:2*3",
        "softmax:7*0",
        "softmax:7*x",
        "softmax:1*18446744073709551615",
        "bernoulli:1*7",
        "bernoulli+spin",
        "bernoulli:7+spin",
        "bernoulli:18446744073709551615+spin:18446744073709551615",
    ] {
        assert!(Units::parse(bad, 7).is_err(), "{bad}");
    }
}
