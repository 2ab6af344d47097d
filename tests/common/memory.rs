//! What a run remembers, by the names of files.

use harmonium::{
    Checkpoint,
    checkpoint::SavedRun,
    tensor::Saved,
    train::{Learner, RbmOptions, Run, RunState},
};

/// The elements of a tensor; none if it is not there.
fn elements(saved: &mut Saved, name: &str) -> Vec<f32> {
    match saved.shape(name).map(<[usize]>::to_vec) {
        Some(shape) => saved.floats(name, &shape).unwrap(),
        None => Vec::new(),
    }
}

/// The numbers that `run` remembers by this name.
pub fn remembered<L: Learner>(run: &Run<L>, name: &str) -> Vec<f32> {
    let found = elements(&mut run.state().tensors, name);
    assert!(!found.is_empty(), "no tensor {name}");
    found
}

/// The last step of every parameter of an RBM: W, b, c, log-variances of both layers if there are
/// some.
pub fn last_step<L: Learner>(run: &Run<L>) -> Vec<f32> {
    let mut saved = run.state().tensors;
    let names = [
        "weights.0",
        "bias.0",
        "bias.1",
        "log_variance.0",
        "log_variance.1",
    ];
    let all = names.map(|name| elements(&mut saved, &format!("training.velocity.{name}")));
    assert!(!all[0].is_empty(), "the run has velocities");
    all.concat()
}

/// The state of the run of an RBM in a file, to be tampered with.
pub fn rbm_state(checkpoint: &mut Checkpoint) -> &mut RunState<RbmOptions> {
    match &mut checkpoint.run {
        Some(SavedRun::Rbm(state)) => state,
        _ => panic!("the file holds a run of an RBM"),
    }
}
