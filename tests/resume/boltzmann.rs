//! Runs of general machines that go on from a file.

use harmonium::{
    BitMatrix, BoltzmannMachine, Checkpoint, Examples,
    checkpoint::SavedRun,
    model::MeanField,
    train::{
        BoltzmannLearner, BoltzmannOptions, BoltzmannTraining, Learning, Negative, Positive, Rule,
    },
};

/// Stored in the midst of an epoch and resumed: the run that was never interrupted, to the bit.
#[test]
fn runs_go_on_as_if_never_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let bits = BitMatrix::from_fn(37, 6, |i, j| (i * 5 + j * 3) % 7 < 3);
    let data = Examples::new(bits).unwrap();
    let persistent = Negative::Persistent {
        chains: 70,
        steps: 2,
    };
    let mcmc = Negative::Mcmc {
        chains: 20,
        steps: 3,
    };
    let gibbs = Positive::Gibbs { steps: 2 };
    let mean_field = Positive::MeanField(MeanField::default());
    for (hidden, positive, negative, optimizer) in [
        (3, gibbs, persistent, Rule::Nesterov),
        (3, mean_field, persistent, Rule::ADAM),
        (3, gibbs, mcmc, Rule::Momentum),
        (0, gibbs, persistent, Rule::ADAMAX),
        (0, gibbs, Negative::PseudoLikelihood, Rule::Momentum),
        (3, Positive::Exact, Negative::Exact, Rule::Momentum),
    ] {
        let options = BoltzmannOptions {
            positive,
            negative,
            learning: Learning {
                epochs: 5,
                batch_size: 10,
                momentum: 0.5.into(),
                optimizer,
                seed: 3,
                ..Learning::default()
            },
        };
        let machine = BoltzmannMachine::bernoulli(&[6, hidden]).unwrap();
        let machine = machine.initialized_from(&data, 1).unwrap();
        let mut whole = BoltzmannTraining::new(machine, options, &data).unwrap();
        for _ in 0..6 {
            let _ = whole.update(&data).unwrap();
        }
        Checkpoint::from(&whole).save(&path).unwrap();
        let stored = Checkpoint::load(&path).unwrap();
        assert_eq!(stored.run, Some(SavedRun::Boltzmann(whole.state())));
        let mut resumed = stored.clone().into_run::<BoltzmannLearner>(&data).unwrap();
        assert_eq!(resumed.position(), whole.position());
        for _ in 0..7 {
            let _ = whole.update(&data).unwrap();
            let _ = resumed.update(&data).unwrap();
        }
        assert_eq!(resumed.model(), whole.model());
        assert_eq!(resumed.state(), whole.state());
        let other = data.head(36);
        assert!(stored.clone().into_run::<BoltzmannLearner>(&other).is_err());
        let mut foreign = stored;
        let Some(SavedRun::Boltzmann(state)) = &mut foreign.run else {
            unreachable!("the run is one of a general machine")
        };
        state
            .tensors
            .insert("training.chains", &BitMatrix::zeros(5, 4));
        let error = foreign.into_run::<BoltzmannLearner>(&data).unwrap_err();
        assert!(error.to_string().contains("chains"), "{error}");
    }
    let finished = Checkpoint::from(BoltzmannMachine::bernoulli(&[6, 2]).unwrap());
    let error = finished.into_run::<BoltzmannLearner>(&data).unwrap_err();
    assert!(error.to_string().contains("finished"), "{error}");
}
