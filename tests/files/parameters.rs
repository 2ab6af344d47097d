//! Parameters by name against the tensors of model files.

use harmonium::{
    BoltzmannMachine, Checkpoint, Dbm, Dbn, Error, Kind, Layer, Model, Network, Rbm, Units,
};
use safetensors::SafeTensors;

/// One machine of every kind and form, with parameters that all differ, and a blank of its shape.
fn machines() -> Vec<(Model, Model)> {
    let mut next = 0.0;
    let mut fresh = move || {
        next += 0.125;
        next
    };
    let gaussian = || Layer::new(Units::of(Kind::Gaussian, 4));
    let rbm = || Rbm::unconnected(gaussian(), Layer::bernoulli(3)).unwrap();
    let dbn = |untied: bool| {
        let mut dbn = Dbn::bernoulli(&[4, 3, 2]).unwrap();
        if untied {
            dbn.untie();
        }
        dbn
    };
    let network = || Network::autoencoder_from_dbn(&dbn(false)).unwrap();
    let all: Vec<Model> = vec![
        rbm().into(),
        dbn(false).into(),
        dbn(true).into(),
        Dbm::bernoulli(&[4, 3, 2]).unwrap().into(),
        BoltzmannMachine::bernoulli(&[3]).unwrap().into(),
        BoltzmannMachine::bernoulli(&[3, 2]).unwrap().into(),
        network().into(),
    ];
    let filled = |blank: Model| {
        let mut machine = blank.clone();
        for (name, parameter) in blank.parameters() {
            let columns = parameter.shape[1..].iter().product::<usize>();
            let mut values: Vec<f32> = parameter.values.iter().map(|_| fresh()).collect();
            if ["visible.weights", "hidden.weights"].contains(&name.as_str()) {
                // Within a layer: symmetric, zero on the diagonal.
                for i in 0..columns {
                    values[i * columns + i] = 0.0;
                    (0..i).for_each(|j| values[i * columns + j] = values[j * columns + i]);
                }
            }
            machine.set_parameter(&name, &values).unwrap();
        }
        (machine, blank)
    };
    all.into_iter().map(filled).collect()
}

/// Parameters are the tensors of the model file, by name, shape and value, and make the machine.
#[test]
fn parameters_are_those_of_the_file() {
    for (machine, blank) in machines() {
        let all = machine.parameters();
        let bytes = Checkpoint::from(machine.clone()).to_bytes().unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.len(), all.len(), "{}", machine.kind());
        for (name, tensor) in file.tensors() {
            let values = tensor.data().chunks(4);
            let values: Vec<f32> = values
                .map(|x| f32::from_le_bytes(x.try_into().unwrap()))
                .collect();
            assert_eq!(tensor.shape(), all[&name].shape, "{name}");
            assert_eq!(values, all[&name].values, "{name}");
        }
        assert_eq!(Checkpoint::from_bytes(&bytes).unwrap().model, machine);
        let mut copy = blank.clone();
        for (name, parameter) in &all {
            let told = |error: Error| error.to_string();
            let short = &parameter.values[1..];
            assert!(told(copy.set_parameter(name, short).unwrap_err()).contains(name.as_str()));
            let bad = vec![f32::NAN; parameter.values.len()];
            let before = copy.clone();
            assert!(copy.set_parameter(name, &bad).is_err());
            assert_eq!(copy, before);
            copy.set_parameter(name, &parameter.values).unwrap();
        }
        assert_eq!(copy, machine);
        let error = copy.set_parameter("weights.9", &[]).unwrap_err();
        assert!(
            error.to_string().contains("bias.1, ") || all.len() == 2,
            "{error}"
        );
    }
}
