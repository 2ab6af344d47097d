//! What pretraining refuses.

use crate::common::pretraining::{data, go_on, plan};
use harmonium::{
    Checkpoint, Examples, Rbm,
    checkpoint::SavedRun,
    train::{DbmLearner, PretrainingPlan, Stack},
};

#[test]
fn what_does_not_fit_is_refused() {
    let data = data();
    let told = |e: harmonium::Error, words: &[&str]| {
        let text = e.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    };
    let refused = |plan: PretrainingPlan, words: &[&str]| {
        told(Stack::pretraining(plan, &data).unwrap_err(), words);
    };
    let good = plan(None);
    let hidden = vec![];
    refused(
        PretrainingPlan {
            visible: None,
            hidden,
            ..good.clone()
        },
        &["hidden layers"],
    );
    let options = good.options[..2].to_vec();
    refused(
        PretrainingPlan {
            visible: None,
            options,
            ..good.clone()
        },
        &["options of pretraining", "1 or 3", "2"],
    );
    let unlabeled = Examples::new(data.states().clone()).unwrap();
    let of_one = PretrainingPlan {
        visible: None,
        hidden: vec![4],
        options: good.options[..1].to_vec(),
        classes: Some(3),
    };
    told(
        Stack::pretraining(of_one, &unlabeled).unwrap_err(),
        &["labels"],
    );

    let mut run = Stack::pretraining(good, &data).unwrap();
    let _ = go_on(&mut run, &data, 14);
    assert_eq!(run.layer(), 1);
    let fewer = data.take(&[0, 1, 2]);
    told(run.update(&fewer).unwrap_err(), &["16", "3"]);
    let stored = || Checkpoint::of_stack(&run).unwrap();
    told(stored().into_stack(&fewer).unwrap_err(), &["16", "3"]);
    told(
        stored().into_run::<DbmLearner>(&data).unwrap_err(),
        &["run in progress"],
    );
    told(
        Checkpoint::from(run.dbm().unwrap())
            .into_stack(&data)
            .unwrap_err(),
        &["pretraining"],
    );
    let mut wrong = stored();
    let Some(SavedRun::Pretraining { rbms, .. }) = &mut wrong.run else {
        unreachable!("the run is one of pretraining")
    };
    rbms[0] = Rbm::bernoulli(&[9, 7]).unwrap();
    told(
        wrong.into_stack(&data).unwrap_err(),
        &["stored RBM", "9 x 8", "9 x 7"],
    );
}
