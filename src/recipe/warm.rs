//! A run that starts from the parameters of a machine that is there.

use super::{AnyRun, BoltzmannPlan, DbmPlan, DbnPlan, Plan, RbmPlan, plan::begun};
use crate::{
    dataset::Examples,
    error::{Error, Result},
    model::Model,
    train::Learning,
    units::{Kind, Units},
};

impl Plan {
    /// The same without the stages in which a machine is made: a deep belief network has no greedy
    /// epochs, a deep Boltzmann machine no pretraining.
    #[must_use]
    pub fn without_first_stages(mut self) -> Self {
        match &mut self {
            Self::Rbm(_) | Self::Boltzmann(_) => {}
            Self::Dbn(plan) => {
                let layers = plan.greedy.layers.iter_mut();
                layers.for_each(|layer| layer.options.learning.epochs = 0);
            }
            Self::Dbm(plan) => plan.pretraining = None,
        }
        self
    }

    /// The same with `epochs` in each stage that has any: a rehearsal, of few examples.
    #[must_use]
    pub fn with_epochs_of_each(mut self, epochs: usize) -> Self {
        let shorten = |learning: &mut Learning| {
            learning.epochs = if learning.epochs == 0 { 0 } else { epochs };
        };
        match &mut self {
            Self::Rbm(_) | Self::Boltzmann(_) => {}
            Self::Dbn(plan) => {
                let layers = plan.greedy.layers.iter_mut();
                layers.for_each(|layer| shorten(&mut layer.options.learning));
            }
            Self::Dbm(plan) => {
                let options = plan.pretraining.iter_mut().flat_map(|x| &mut x.options);
                options.for_each(|options| shorten(&mut options.learning));
            }
        }
        shorten(self.learning_mut());
        if let Some(Some(options)) = self.fine_tune_mut() {
            shorten(&mut options.learning);
        }
        self
    }

    /// The last stage before backpropagation, from the parameters of `machine`; those that learn by
    /// it, velocities, centers, averages and chains, begin anew. `stream` as of [`Plan::start`].
    ///
    /// # Errors
    /// [`Error::Parameter`] for a machine of another kind, or of layers of other units or sizes;
    /// those of the runs.
    pub fn start_from(
        &self,
        machine: &Model,
        data: &Examples,
        stream: Option<usize>,
    ) -> Result<AnyRun> {
        self.check_machine(machine, data.columns())?;
        Ok(match self {
            Self::Rbm(plan) => {
                AnyRun::Rbm(begun(machine.rbm()?.clone(), &plan.options, data, stream)?)
            }
            Self::Dbn(plan) => {
                AnyRun::UpDown(begun(machine.dbn()?.clone(), &plan.up_down, data, stream)?)
            }
            Self::Dbm(plan) => {
                AnyRun::Dbm(begun(machine.dbm()?.clone(), &plan.joint, data, stream)?)
            }
            Self::Boltzmann(plan) => {
                let machine = machine.boltzmann()?.clone();
                AnyRun::Boltzmann(begun(machine, &plan.options, data, stream)?)
            }
        })
    }

    /// Refuses a machine that this plan, on data of so many columns, does not make.
    fn check_machine(&self, machine: &Model, columns: usize) -> Result<()> {
        let name = "machine to start from";
        if machine.kind() != self.kind() {
            let kind = |kind| format!("a model of kind {kind}");
            return Err(Error::parameter(
                name,
                kind(self.kind()),
                kind(machine.kind()),
            ));
        }
        let (expected, found) = (self.layers(columns), layers(machine));
        match expected == found {
            true => Ok(()),
            false => Err(Error::parameter(name, told(&expected), told(&found))),
        }
    }

    /// The units of the layers of its machine, on data of so many columns; a label stands where the
    /// model file has it.
    fn layers(&self, columns: usize) -> Vec<Units> {
        let bernoulli = |n: &usize| Units::of(Kind::Bernoulli, *n);
        match self {
            Self::Rbm(RbmPlan {
                visible, hidden, ..
            }) => vec![visible.clone(), hidden.clone()],
            Self::Dbn(DbnPlan {
                visible, greedy, ..
            }) => {
                let hidden = greedy.layers.iter().map(|layer| bernoulli(&layer.hidden));
                let mut all: Vec<Units> = std::iter::once(visible.clone()).chain(hidden).collect();
                let beside = greedy.layers.len().saturating_sub(1);
                if let Some(classes) = greedy.classes {
                    all[beside] = all[beside].clone().and(Kind::Softmax, classes);
                }
                all
            }
            Self::Dbm(DbmPlan {
                hidden,
                visible,
                classes,
                ..
            }) => {
                let visible = visible.clone().unwrap_or_else(|| bernoulli(&columns));
                let layers = std::iter::once(visible).chain(hidden.iter().map(bernoulli));
                let label = classes.map(|n| Units::of(Kind::Softmax, n));
                layers.chain(label).collect()
            }
            Self::Boltzmann(BoltzmannPlan {
                hidden, visible, ..
            }) => {
                let visible = visible.clone().unwrap_or_else(|| bernoulli(&columns));
                vec![visible, bernoulli(hidden)]
            }
        }
    }
}

/// The units of the layers of a machine.
fn layers(machine: &Model) -> Vec<Units> {
    let units = |layer: &crate::model::Layer| layer.units.clone();
    match machine {
        Model::Rbm(rbm) => vec![units(rbm.visible()), units(rbm.hidden())],
        Model::Dbn(dbn) => dbn.layers().map(units).collect(),
        Model::Dbm(dbm) => dbm.layers().iter().map(units).collect(),
        Model::Boltzmann(machine) => vec![units(machine.visible()), units(machine.hidden())],
        Model::Network(_) => Vec::new(),
    }
}

fn told(layers: &[Units]) -> String {
    let layers = layers.iter().map(|x| format!("{} {x}", x.size()));
    format!("layers of {}", layers.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        checkpoint::Checkpoint,
        dataset::bars_and_stripes,
        model::{BoltzmannMachine, Dbm, Dbn, Rbm},
        recipe::defaults::{self, Length, Preset, RbmFacts},
        train::{GreedyLayer, GreedyPlan, PretrainingPlan},
    };
    use std::ops::ControlFlow;

    fn length() -> Length {
        Length::new(16, Some(8), true)
    }

    fn rbm(hidden: usize) -> Plan {
        let [visible, hidden] = [9, hidden].map(|n| Units::of(Kind::Bernoulli, n));
        let facts = RbmFacts {
            visible: &visible,
            hidden: &hidden,
            has_labels: false,
            classifies: false,
            is_uncentered: false,
            is_method_said: false,
        };
        let mut options = defaults::rbm(facts, length(), Preset::Good);
        options.learning.epochs = 2;
        Plan::Rbm(RbmPlan {
            visible,
            hidden,
            options,
        })
    }

    fn dbn() -> Plan {
        let layer = |l: usize| GreedyLayer {
            hidden: 5 - l,
            options: defaults::greedy_layer(l, 2, false, length()),
            transposed: false,
        };
        Plan::Dbn(DbnPlan {
            visible: Units::of(Kind::Bernoulli, 9),
            greedy: GreedyPlan {
                layers: vec![layer(0), layer(1)],
                posterior: defaults::POSTERIOR,
                classes: None,
            },
            up_down: defaults::up_down(Some(2), length()),
            fine_tune: None,
        })
    }

    fn dbm() -> Plan {
        let mut joint = defaults::joint(true, length());
        joint.learning.epochs = 2;
        Plan::Dbm(DbmPlan {
            hidden: vec![5, 4],
            visible: None,
            classes: None,
            pretraining: Some(PretrainingPlan {
                visible: None,
                hidden: vec![5, 4],
                options: vec![defaults::pretraining(length())],
                classes: None,
            }),
            joint,
            fine_tune: None,
        })
    }

    fn boltzmann() -> Plan {
        let mut options = defaults::boltzmann(length());
        options.learning.epochs = 2;
        Plan::Boltzmann(BoltzmannPlan {
            hidden: 2,
            visible: None,
            start: None,
            options,
        })
    }

    fn machines() -> [Model; 4] {
        let data = bars_and_stripes(3);
        let rbm = Rbm::bernoulli(&[9, 5]).unwrap();
        let dbn = Dbn::bernoulli(&[9, 5, 4]).unwrap();
        let dbm = Dbm::bernoulli(&[9, 5, 4]).unwrap();
        let machine = BoltzmannMachine::bernoulli(&[9, 2]).unwrap();
        [
            rbm.initialized_from(&data, 7).unwrap().into(),
            dbn.initialized_from(&data, 7).unwrap().into(),
            dbm.initialized_from(&data, 7).unwrap().into(),
            machine.initialized_from(&data, 7).unwrap().into(),
        ]
    }

    /// Learning goes on from the parameters, in the main stage, and the file of the run is one of
    /// the plan.
    #[test]
    fn runs_start_from_the_parameters_of_a_machine() {
        let data = bars_and_stripes(3);
        let plans = [rbm(5), dbn(), dbm(), boltzmann()];
        for (plan, machine) in plans.into_iter().zip(machines()) {
            let plan = plan.without_first_stages();
            let mut run = plan.start_from(&machine, &data, None).unwrap();
            // The up-down algorithm gives every direction weights of its own.
            let mut expected = machine;
            if let Model::Dbn(dbn) = &mut expected {
                dbn.untie();
            }
            let running = run.running();
            let main = plan.stages().pop().unwrap();
            assert_eq!(running.name(), main.name, "{}", plan.kind());
            assert_eq!(running.position().updates, 0);
            assert_eq!(running.learning().epochs, 2);
            assert!(run.result().unwrap() == expected, "{}", plan.kind());
            let mut checkpoint = run.running().checkpoint().unwrap();
            plan.note(&mut checkpoint.notes);
            let read = Plan::of_checkpoint(&checkpoint).unwrap();
            assert_eq!(read.stages(), plan.stages());
            let ended = run.run(&data, &mut |_| ControlFlow::Continue(())).unwrap();
            assert!(ended.is_finished() && plan.is_done(&run));
            assert!(plan.next(&run, &data, None).unwrap().is_none());
            assert!(run.result().unwrap() != expected, "{}", plan.kind());
            assert!(Checkpoint::from(run.result().unwrap()).run.is_none());
        }
    }

    #[test]
    fn other_machines_are_refused() {
        let data = bars_and_stripes(3);
        let [rbm_of_5, ..] = machines();
        for (plan, words) in [
            (boltzmann(), ["of kind boltzmann", "of kind rbm"]),
            (
                rbm(4),
                ["9 bernoulli, 4 bernoulli", "9 bernoulli, 5 bernoulli"],
            ),
        ] {
            let error = plan.start_from(&rbm_of_5, &data, None).err().unwrap();
            for word in words {
                assert!(error.to_string().contains(word), "{error}");
            }
        }
        let mut spins = rbm(5);
        if let Plan::Rbm(plan) = &mut spins {
            plan.visible = Units::of(Kind::Spin, 9);
        }
        let error = spins.start_from(&rbm_of_5, &data, None).err().unwrap();
        assert!(error.to_string().contains("9 spin"), "{error}");
        let [_, dbn_of_4, ..] = machines();
        let mut with_labels = dbn();
        if let Plan::Dbn(plan) = &mut with_labels {
            plan.greedy.classes = Some(3);
        }
        let error = with_labels.start_from(&dbn_of_4, &data, None).err();
        let error = error.unwrap().to_string();
        assert!(error.contains("8 bernoulli:5+softmax:3"), "{error}");
    }
}
