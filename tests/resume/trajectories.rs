//! Runs by trajectories, gone on with from a file.

use crate::common::{
    memory::rbm_state,
    trajectories::{CHAINS, SNAPSHOTS, run, two_clusters},
};
use harmonium::{
    checkpoint::Checkpoint,
    model::Rbm,
    tensor::{Element, Stored},
    train::{Negative, RbmLearner, RbmOptions, RbmTraining, Schedule},
};

#[test]
fn a_resumed_run_is_the_same_to_the_bit() {
    let data = two_clusters();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.safetensors");
    // Few snapshots, so that some go.
    let mut whole = run(20, 0.85, 2, Schedule::Constant(0.2));
    let mut seen = Vec::new();
    for k in 0..400 {
        let _ = whole.update(&data).unwrap();
        let mut tensors = whole.state().tensors;
        let shape = tensors.shape(SNAPSHOTS).unwrap().to_vec();
        seen.push(tensors.floats(SNAPSHOTS, &shape).unwrap());
        if k % 67 == 0 {
            Checkpoint::from(&whole).save(&path).unwrap();
            let read = Checkpoint::load(&path).unwrap();
            assert_eq!(read.run, Checkpoint::from(&whole).run);
            let mut resumed = read.into_run::<RbmLearner>(&data).unwrap();
            let mut on = whole.clone();
            for _ in 0..60 {
                let _ = on.update(&data).unwrap();
                let _ = resumed.update(&data).unwrap();
            }
            assert_eq!(resumed.model(), on.model());
            assert_eq!(resumed.state(), on.state());
        }
    }
    seen.dedup();
    println!("{} times another ladder", seen.len());
    assert!(seen.len() > 4 && seen.iter().all(|models| models.len() <= 3 * 12 * 4));
    // Without its snapshots, or with chains for other numbers of them, a run is refused.
    let stored = Checkpoint::from(&whole);
    let mut without = stored.clone();
    let tensors = &mut rbm_state(&mut without).tensors;
    let shape = tensors.shape(SNAPSHOTS).unwrap().to_vec();
    let weights = tensors.floats(SNAPSHOTS, &shape).unwrap();
    let error = without
        .into_run::<RbmLearner>(&data)
        .unwrap_err()
        .to_string();
    assert!(error.contains(SNAPSHOTS), "{error}");
    let mut fewer = stored.clone();
    let last = weights.len() - 12 * 4;
    let fewer_weights = Stored {
        element: Element::F32,
        shape: vec![shape[0] - 1, 12, 4],
        bytes: weights[..last]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect(),
    };
    rbm_state(&mut fewer)
        .tensors
        .insert(SNAPSHOTS, fewer_weights);
    assert!(fewer.into_run::<RbmLearner>(&data).is_err());
    let mut short = stored;
    let tensors = &mut rbm_state(&mut short).tensors;
    let rows = tensors.shape(CHAINS).unwrap()[0];
    let h = tensors.bits(CHAINS, rows, 4).unwrap();
    tensors.insert(CHAINS, &h.view_rows(0..30).to_owned());
    let error = short.into_run::<RbmLearner>(&data).unwrap_err().to_string();
    assert!(error.contains("stored chains"), "{error}");
    for (acceptance, snapshots) in [(0.0, 3), (1.0, 3), (f32::NAN, 3), (0.5, 0)] {
        let options = RbmOptions {
            negative: Negative::Trajectory {
                chains: 5,
                steps: 1,
                acceptance,
                snapshots,
            },
            ..RbmOptions::default()
        };
        assert!(RbmTraining::new(Rbm::bernoulli(&[12, 4]).unwrap(), options, &data).is_err());
    }
}
