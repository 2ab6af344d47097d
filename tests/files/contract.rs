//! The model file: the contract to the byte, and refusals that name the file.

use crate::common::normal_rbm;
use harmonium::{
    Checkpoint, Rbm,
    dataset::{Binarization, bars_and_stripes},
    train::{Negative, RbmLearner, RbmOptions, RbmTraining},
};
use proptest::prelude::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{collections::HashMap, fs, path::Path};

fn contract() -> HashMap<String, String> {
    [
        ("format", "harmonium"),
        ("version", "1"),
        ("kind", "rbm"),
        ("units", "bernoulli,bernoulli:2"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into()
}

/// Writes tensors of f32 and metadata with the safetensors crate alone, as another program would.
fn write(path: &Path, tensors: &[(&str, &[usize], &[f32])], metadata: HashMap<String, String>) {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(.., x)| x.iter().flat_map(|x| x.to_le_bytes()).collect())
        .collect();
    let views: Vec<_> = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| {
            (
                *name,
                TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap(),
            )
        })
        .collect();
    fs::write(path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
}

const W: (&str, &[usize], &[f32]) = ("weights.0", &[3, 2], &[1., 2., 3., 4., 5., 6.]);
const B: (&str, &[usize], &[f32]) = ("bias.0", &[3], &[7., 8., 9.]);
const C: (&str, &[usize], &[f32]) = ("bias.1", &[2], &[10., 11.]);

#[test]
fn a_file_with_exactly_the_contract_loads() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    write(&path, &[W, B, C], contract());
    let checkpoint = Checkpoint::load(&path).unwrap();
    let rbm = checkpoint.model.rbm().unwrap();
    assert!(rbm.weights().elements().eq(W.2.iter().copied()));
    assert_eq!(
        (&rbm.visible().bias[..], &rbm.hidden().bias[..]),
        (B.2, C.2)
    );
    assert!(checkpoint.run.is_none() && checkpoint.notes.is_empty());
}

#[test]
fn what_is_written_is_what_the_contract_says() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let rbm = normal_rbm(5, 3, 1.0, 1);
    let mut checkpoint = Checkpoint::from(rbm.clone());
    checkpoint.notes.insert("data".into(), "none".into());
    checkpoint.save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut names = tensors.names();
    names.sort_unstable();
    assert_eq!(names, ["bias.0", "bias.1", "weights.0"]);
    let w = tensors.tensor("weights.0").unwrap();
    assert_eq!((w.dtype(), w.shape()), (Dtype::F32, &[5, 3][..]));
    assert_eq!(w.data()[..4], rbm.weights().row(0)[0].to_le_bytes());
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    for (key, value) in [
        ("format", "harmonium"),
        ("version", "1"),
        ("kind", "rbm"),
        ("units", "bernoulli,bernoulli"),
    ] {
        assert_eq!(metadata[key], value);
    }
    let read = Checkpoint::load(&path).unwrap();
    assert_eq!(
        (read.model.rbm().unwrap(), &read.notes),
        (&rbm, &checkpoint.notes)
    );
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        1,
        "no temporary file is left"
    );
}

#[test]
fn the_same_content_is_the_same_bytes_in_the_order_of_keys() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    let mut checkpoint = a_run();
    let notes = (0..40).map(|k| (format!("note {}", k * 7 % 40), format!("\"{k}\\ {{}}")));
    checkpoint.notes.extend(notes);
    let bytes = [0, 1].map(|_| {
        checkpoint.save(&path).unwrap();
        fs::read(&path).unwrap()
    });
    assert!(bytes[0] == bytes[1]);
    let length = u64::from_le_bytes(bytes[0][..8].try_into().unwrap()) as usize;
    assert!(length.is_multiple_of(8));
    let header = std::str::from_utf8(&bytes[0][8..8 + length]).unwrap();
    let mut keys: Vec<&String> = checkpoint.notes.keys().collect();
    let own = ["format", "kind", "training", "units", "version"].map(String::from);
    keys.extend(&own);
    keys.sort_unstable();
    let at = |key: &&String| header.find(&format!("\"{key}\":")).unwrap();
    assert!(keys.iter().map(at).is_sorted());
    assert_eq!(Checkpoint::load(&path).unwrap().notes, checkpoint.notes);
}

#[test]
fn refusals_name_the_file_and_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.safetensors");
    let refuse = |expected: &str| {
        let error = Checkpoint::load(&path).unwrap_err().to_string();
        assert!(
            error.contains("bad.safetensors") && error.contains(expected),
            "{error}"
        );
    };
    refuse("cannot read the model file");
    fs::write(&path, b"").unwrap();
    refuse("a model file (safetensors)");
    fs::write(&path, b"PK\x03\x04 not a model at all").unwrap();
    refuse("a model file (safetensors)");
    // A header that claims to be 2^60 bytes long.
    fs::write(&path, [&(1_u64 << 60).to_le_bytes()[..], b"{}"].concat()).unwrap();
    refuse("a model file (safetensors)");
    write(&path, &[W, B, C], HashMap::new());
    refuse("metadata format");
    for (key, value, expected) in [
        ("format", "pt", "format \"harmonium\", found \"pt\""),
        ("version", "2", "version \"1\", found \"2\""),
        (
            "kind",
            "vae",
            "kind \"rbm\" or \"dbn\" or \"dbm\" or \"boltzmann\" or \"network\", found \"vae\"",
        ),
        ("units", "bernoulli", "units of 2 layers"),
        ("units", "bernoulli,gauss", "units that this version knows"),
        ("units", "bernoulli:4,bernoulli", "segments of 3 units"),
    ] {
        let mut metadata = contract();
        metadata.insert(key.into(), value.into());
        write(&path, &[W, B, C], metadata);
        refuse(expected);
    }
    write(&path, &[W, B], contract());
    refuse("tensor bias.1, found no such tensor");
    write(&path, &[W, ("bias.0", &[2], &[1., 2.]), C], contract());
    refuse("tensor bias.0 of shape [3], found [2]");
    write(&path, &[("weights.0", &[6], W.2), B, C], contract());
    refuse("tensor weights.0 of 2 dimensions");
    write(
        &path,
        &[("weights.0", &[0, 2], &[]), ("bias.0", &[0], &[]), C],
        contract(),
    );
    refuse("with elements");
    write(
        &path,
        &[W, B, ("bias.1", &[2], &[f32::NAN, 0.0])],
        contract(),
    );
    refuse("finite parameters");
    write(&path, &[W, B, C], contract());
    let whole = fs::read(&path).unwrap();
    for n in 0..whole.len() {
        fs::write(&path, &whole[..n]).unwrap();
        refuse("a model file (safetensors)");
    }
}

/// A network of 3, 2, 2 + 2 labels and 2 units, as another program would write it.
fn contract_of_a_dbn() -> HashMap<String, String> {
    let mut metadata = contract();
    metadata.insert("kind".into(), "dbn".into());
    let units = "bernoulli,bernoulli,bernoulli:2+softmax:2,bernoulli";
    metadata.insert("units".into(), units.into());
    metadata
}

const NARROW: (&str, &[usize], &[f32]) = ("weights.1", &[2, 2], &[1., 2., 3., 4.]);
const WIDE: (&str, &[usize], &[f32]) = ("weights.1", &[2, 4], &[1., 2., 0., 0., 3., 4., 0., 0.]);
const TOP: (&str, &[usize], &[f32]) = ("weights.2", &[4, 2], &[1., 2., 3., 4., 5., 6., 7., 8.]);
const B2: (&str, &[usize], &[f32]) = ("bias.2", &[4], &[0.1, 0.2, 0.3, 0.4]);
const B3: (&str, &[usize], &[f32]) = ("bias.3", &[2], &[0.5, 0.6]);

#[test]
fn a_deep_belief_network_of_exactly_the_contract_loads() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("dbn.safetensors");
    for second in [NARROW, WIDE] {
        write(&path, &[W, B, C, second, TOP, B2, B3], contract_of_a_dbn());
        let dbn = Checkpoint::load(&path).unwrap().into_dbn().unwrap();
        assert_eq!(
            (dbn.n_layers(), dbn.n_visible(), dbn.n_features()),
            (4, 3, 2)
        );
        assert_eq!(dbn.label_group().unwrap().range(), 2..4);
        assert!(dbn.is_tied());
        assert!(
            dbn.directed()[0]
                .generative_weights()
                .elements()
                .eq(W.2.iter().copied())
        );
        assert!(
            dbn.directed()[1]
                .generative_weights()
                .elements()
                .eq(NARROW.2.iter().copied())
        );
        assert!(dbn.top().weights().elements().eq(TOP.2.iter().copied()));
        // Tied: recognition takes the generative biases, without those of the label.
        assert_eq!(dbn.directed()[0].above().bias, C.2);
        assert_eq!(dbn.directed()[1].above().bias, B2.2[..2]);
        assert_eq!(
            (&dbn.layer(0).bias[..], &dbn.layer(3).bias[..]),
            (B.2, B3.2)
        );
    }
    // Untied here, and tied there.
    let recognition = ("recognition.weights.0", W.1, &[6., 5., 4., 3., 2., 1.][..]);
    let bias = ("recognition.bias.2", &[2][..], &[-1., -2.][..]);
    let tensors = [W, B, C, NARROW, TOP, B2, B3, recognition, bias];
    write(&path, &tensors, contract_of_a_dbn());
    let read = Checkpoint::load(&path).unwrap();
    let dbn = read.model.dbn().unwrap();
    assert_eq!(dbn.directed()[1].above().bias, [-1., -2.]);
    assert!(!dbn.directed()[0].is_tied() && dbn.directed()[1].is_tied());
    assert!(
        dbn.directed()[0]
            .recognition_weights()
            .elements()
            .eq(recognition.2.iter().copied())
    );
    // What is written is what was read, name by name.
    let copy = directory.path().join("copy.safetensors");
    read.save(&copy).unwrap();
    let bytes = [&path, &copy].map(|path| fs::read(path).unwrap());
    let [a, b] = [0, 1].map(|k| SafeTensors::deserialize(&bytes[k]).unwrap());
    for (name, x) in a.tensors() {
        let y = b.tensor(&name).unwrap();
        assert_eq!((x.shape(), x.data()), (y.shape(), y.data()), "{name}");
    }
    assert_eq!(a.len(), b.len());
    assert_eq!(Checkpoint::load(&copy).unwrap().model, read.model);
    let error = read.model.rbm().unwrap_err().to_string();
    assert!(
        error.contains("kind rbm") && error.contains("kind dbn"),
        "{error}"
    );
}

/// A name, a shape and values.
type Entry = (&'static str, &'static [usize], &'static [f32]);

/// The tensors of a whole network.
const WHOLE: [Entry; 7] = [W, B, C, NARROW, TOP, B2, B3];

/// Those of a whole network with this one, in place of another of its name.
fn whole_with(tensor: Entry) -> Vec<Entry> {
    let mut some: Vec<_> = WHOLE
        .into_iter()
        .filter(|(name, ..)| *name != tensor.0)
        .collect();
    some.push(tensor);
    some
}

/// A file of these is refused with its name and what was expected.
fn refuse(tensors: &[Entry], metadata: HashMap<String, String>, expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.safetensors");
    write(&path, tensors, metadata);
    let error = Checkpoint::load(&path).unwrap_err().to_string();
    assert!(
        error.contains("bad.safetensors") && error.contains(expected),
        "{error} for {expected}"
    );
}

#[test]
fn deep_belief_networks_whose_tensors_do_not_fit_are_refused() {
    for k in 0..WHOLE.len() {
        let mut some = WHOLE.to_vec();
        let (name, ..) = some.remove(k);
        let expected = format!("tensor {name}, found no such tensor");
        refuse(&some, contract_of_a_dbn(), &expected);
    }
    for (tensor, expected) in [
        (
            ("weights.1", &[2, 3][..], &[0.; 6][..]),
            "tensor weights.1 of shape [2, 2], found [2, 3]",
        ),
        (
            ("weights.1", &[2, 4], &[1., 2., 0., 1., 3., 4., 0., 0.]),
            "where the label",
        ),
        (
            ("bias.2", &[2], &[0.; 2]),
            "tensor bias.2 of shape [4], found [2]",
        ),
        (
            ("recognition.bias.2", &[4], &[0.; 4]),
            "tensor recognition.bias.2 of shape [2]",
        ),
        (
            ("recognition.weights.0", &[2, 2], &[0.; 4]),
            "tensor recognition.weights.0 of shape [3, 2]",
        ),
        (
            ("recognition.weights.0", &[3, 2], &[f32::NAN; 6]),
            "finite parameters",
        ),
    ] {
        refuse(&whole_with(tensor), contract_of_a_dbn(), expected);
    }
}

#[test]
fn deep_belief_networks_whose_units_do_not_fit_are_refused() {
    for (units, expected) in [
        ("bernoulli", "units of at least 2 layers"),
        (
            "bernoulli,bernoulli,bernoulli,bernoulli,bernoulli",
            "tensor weights.3",
        ),
        (
            "bernoulli,gaussian,bernoulli:2+softmax:2,bernoulli",
            "parameters of a machine",
        ),
        (
            "bernoulli,bernoulli,bernoulli:2+softmax:2,spin",
            "parameters of a machine",
        ),
        ("bernoulli,bernoulli,softmax:4,bernoulli", "where the label"),
    ] {
        let mut metadata = contract_of_a_dbn();
        metadata.insert("units".into(), units.into());
        let tensors = match units.contains("softmax:4") {
            true => whole_with(WIDE),
            false => WHOLE.to_vec(),
        };
        refuse(&tensors, metadata, expected);
    }
}

#[test]
fn deep_belief_networks_that_are_cut_off_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bad.safetensors");
    write(&path, &WHOLE, contract_of_a_dbn());
    let whole = fs::read(&path).unwrap();
    for n in 0..whole.len() {
        fs::write(&path, &whole[..n]).unwrap();
        assert!(Checkpoint::load(&path).is_err());
    }
}

fn a_run() -> Checkpoint {
    let data = bars_and_stripes(2).binarized(Binarization::None, 0, 0);
    let options = RbmOptions {
        negative: Negative::Persistent {
            chains: 3,
            steps: 1,
        },
        ..RbmOptions::default()
    };
    let mut training = RbmTraining::new(Rbm::bernoulli(&[4, 3]).unwrap(), options, &data).unwrap();
    let _ = training.update(&data).unwrap();
    Checkpoint::from(&training)
}

#[test]
fn a_run_is_stored_whole_and_other_data_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.safetensors");
    let written = a_run();
    written.save(&path).unwrap();
    let read = Checkpoint::load(&path).unwrap();
    assert_eq!(read.run, written.run);
    let other = bars_and_stripes(3).binarized(Binarization::None, 0, 0);
    let error = read.into_run::<RbmLearner>(&other).unwrap_err().to_string();
    assert_eq!(error, "examples of the data: expected 8, found 16");
    assert!(
        Checkpoint::from(Rbm::bernoulli(&[9, 2]).unwrap())
            .into_run::<RbmLearner>(&other)
            .is_err()
    );
}

#[test]
fn a_failed_write_leaves_the_old_file_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("there");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("inside"), b"x").unwrap();
    // A directory stands where the file should go: the rename fails.
    let error = a_run().save(&target).unwrap_err().to_string();
    assert!(
        error.contains("there") && error.contains("cannot write"),
        "{error}"
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    assert!(
        a_run()
            .save(directory.path().join("no/such/directory/x"))
            .is_err()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("any");
        fs::write(&path, &bytes).unwrap();
        prop_assert!(Checkpoint::load(&path).is_err());
    }

    #[test]
    fn a_flipped_byte_never_panics(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("any");
        a_run().save(&path).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = value;
        fs::write(&path, &bytes).unwrap();
        let _ = Checkpoint::load(&path);
    }
}
