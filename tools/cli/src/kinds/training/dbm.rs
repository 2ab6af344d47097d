//! `train dbm`: pretraining, then all layers together.

use super::{
    Finished, Told, Trains, describe_negative, describe_positive, describe_rbm, fantasies,
    network::expect_complete,
    options::{check_chains, check_layers, layers, of_each, of_stage, one_number},
    reading::{for_bits, other_than_bits},
};
use crate::{
    args::{DbmArgs, FineTuneArgs},
    failure::{Failure, Outcome},
    run::data::{Data, Source},
    show::{pictures, report},
};
use harmonium::{
    Rbm,
    model::MeanField,
    recipe::{
        DbmPlan, Plan,
        defaults::{self, Length},
    },
    train::{DbmOptions, Learning, Positive, PretrainingPlan, RbmOptions, Schedule},
};
use serde_json::json;

impl DbmArgs {
    /// Gray values are drawn anew at each visit unless they are wanted otherwise.
    fn is_resampled(&self) -> bool {
        let by_default = self.shared.data.binarize.is_none() && self.visible_units.is_none();
        self.resample.resample || by_default
    }

    /// RBM upon RBM, if any has epochs.
    fn pretraining(&self, hidden: &[usize], length: Length) -> Outcome<Option<PretrainingPlan>> {
        let n = hidden.len();
        let epochs = self.pretraining_epochs.as_deref().unwrap_or_default();
        let epochs = match self.no_pretraining {
            true => Some(vec![0; n]),
            false => of_each("--pretraining-epochs", epochs, n)?,
        };
        let rates = of_each("--pretraining-rate", &self.pretraining_rate, n)?;
        let steps = of_each("--pretraining-steps", &self.pretraining_steps, n)?;
        let options = (0..n).map(|l| {
            let mut options = defaults::pretraining(length);
            if let Some(steps) = &steps {
                let most = steps[l].most().ceil() as usize;
                options.negative = options.negative.with_steps(most);
                let is_number = matches!(steps[l], Schedule::Constant(_));
                options.steps = (!is_number).then(|| steps[l].clone());
            }
            let default = options.learning;
            options.learning = Learning {
                epochs: epochs.as_ref().map_or(default.epochs, |all| all[l]),
                learning_rate: match &rates {
                    Some(rates) => rates[l].clone(),
                    None => default.learning_rate,
                },
                momentum: self
                    .pretraining_momentum
                    .clone()
                    .unwrap_or(default.momentum),
                weight_decay: self
                    .pretraining_weight_decay
                    .unwrap_or(default.weight_decay),
                // Of the layers above, states drawn from the means of the one below.
                resample_data: self.is_resampled() || l > 0,
                seed: self.shared.data.seed.unwrap_or(0),
                ..default
            };
            options.check()?;
            Ok(options)
        });
        let options = options.collect::<Outcome<Vec<RbmOptions>>>()?;
        let is_wanted = options.iter().any(|x| x.learning.epochs > 0);
        for (flag, is_given) in [
            ("--pretraining-rate", rates.is_some()),
            ("--pretraining-steps", steps.is_some()),
            (
                "--pretraining-momentum",
                self.pretraining_momentum.is_some(),
            ),
            (
                "--pretraining-weight-decay",
                self.pretraining_weight_decay.is_some(),
            ),
        ] {
            if is_given && !is_wanted {
                return Err(Failure::usage(format!(
                    "{flag} belongs to pretraining, of which there is none"
                )));
            }
        }
        Ok(is_wanted.then(|| PretrainingPlan {
            visible: None,
            hidden: hidden.to_vec(),
            options,
            classes: None,
        }))
    }

    /// All layers together.
    fn joint(&self, hidden: &[usize], is_pretrained: bool, length: Length) -> Outcome<DbmOptions> {
        let mut options = defaults::joint(is_pretrained, length);
        one_number("steps", self.negative.steps.as_ref())?;
        options.negative = self.negative.negative("", options.negative, None)?;
        let default = options.mean_field();
        let mean_field = MeanField {
            iterations: self.mean_field_iterations.unwrap_or(default.iterations),
            tolerance: self.mean_field_tolerance.unwrap_or(default.tolerance),
            damping: self.damping.unwrap_or(default.damping),
        };
        let default = Positive::MeanField(mean_field);
        options.positive = self.positive.positive(default, mean_field)?;
        options.warm_start = self.warm_start;
        options.centering = self.shape.centering(options.centering)?;
        options.sparsity = self.shape.sparsity_targets()?;
        if let [one] = options.sparsity[..] {
            options.sparsity = vec![one; hidden.len()];
        }
        let learning = &mut options.learning;
        self.shared.apply(learning, self.epochs);
        learning.least_rate = self.least_rate.unwrap_or(learning.least_rate);
        learning.resample_data = self.is_resampled();
        options.check(hidden.len())?;
        Ok(options)
    }
}

impl Trains for DbmArgs {
    fn epochs(&self) -> (&'static str, Option<usize>) {
        ("--epochs", self.epochs)
    }

    fn source(&self) -> Outcome<Source> {
        self.shared.data.reading.expect_inferred()?;
        layers(self.layers.as_deref(), &defaults::DBM_LAYERS)?;
        let source = self.shared.data.source(self.is_resampled())?;
        Ok(Source {
            are_epochs_said: self.epochs.is_some()
                || self.pretraining_epochs.is_some()
                || self.no_pretraining,
            ..for_bits(source, self.visible_units.as_deref())?
        })
    }

    fn plan(&self, source: &Source, data: &Data) -> Outcome<Plan> {
        let hidden = layers(self.layers.as_deref(), &defaults::DBM_LAYERS)?;
        let batch_size = self.shared.learning.batch_size;
        let length = Length::new(data.examples(), batch_size, source.are_epochs_said);
        let mut pretraining = self.pretraining(&hidden, length)?;
        let joint = self.joint(&hidden, pretraining.is_some(), length)?;
        expect_complete(data, false, &self.fine_tune, &self.shared)?;
        let classes = self.labels.then(|| data.classes()).transpose()?;
        let visible = other_than_bits(data);
        if let Some(rbms) = &mut pretraining {
            rbms.classes = classes;
            rbms.visible = visible.as_ref().map(ToString::to_string);
        }
        let sizes = std::iter::once(data.train.columns()).chain(hidden.iter().copied());
        let sizes: Vec<usize> = sizes.collect();
        check_layers(&sizes)?;
        check_chains(joint.negative, sizes.iter().sum())?;
        Ok(Plan::Dbm(DbmPlan {
            hidden,
            visible,
            classes,
            pretraining,
            joint,
            fine_tune: self.fine_tune.options(&self.shared)?,
        }))
    }

    fn options_of(&self, flag: &str) -> Vec<String> {
        let of_joint = |name: &str| vec![format!("joint.{name}")];
        match flag {
            "layers" => vec!["hidden".into()],
            "visible-units" => vec!["visible_units".into()],
            "pretraining-rate" => of_stage("pretraining.", "learning-rate"),
            "mean-field-iterations" => of_joint("mean_field.iterations"),
            "mean-field-tolerance" => of_joint("mean_field.tolerance"),
            "damping" => of_joint("mean_field.damping"),
            "steps" => of_joint("sweeps"),
            "chains" => of_joint("chains"),
            _ => match flag.strip_prefix("pretraining-") {
                Some(flag) => of_stage("pretraining.", flag),
                None => of_stage("joint.", flag),
            },
        }
    }

    fn fine_tune(&self) -> Option<&FineTuneArgs> {
        Some(&self.fine_tune)
    }

    fn describe(&self, plan: &Plan, data: &Data) -> String {
        let Plan::Dbm(plan) = plan else {
            return String::new();
        };
        let sizes: Vec<String> = plan.hidden.iter().map(ToString::to_string).collect();
        let pretraining = plan.pretraining.as_ref().map_or("none".into(), |plan| {
            let of = |l: usize| {
                let options = plan.options_of(l);
                let epochs = options.learning.epochs;
                format!("{epochs} epochs of {}", describe_rbm(&options))
            };
            (0..plan.hidden.len())
                .map(of)
                .collect::<Vec<_>>()
                .join(", ")
        });
        let joint = &plan.joint;
        let gradient = match joint.centering {
            Some(_) => "the centered gradient",
            None => "the ordinary gradient",
        };
        let label = plan.classes;
        format!(
            "deep Boltzmann machine of {} visible units{}, layers of {}; batches of {}; pretraining: {pretraining}; together: {} epochs by {gradient}, {}, {}",
            data.train.columns(),
            label.map_or(String::new(), |n| format!(", {n} classes")),
            sizes.join(", "),
            joint.learning.batch_size,
            joint.learning.epochs,
            describe_negative(joint.negative),
            describe_positive(joint.positive),
        )
    }

    /// Weights of the lowest connection and chains of all layers.
    fn draw(&self, finished: &Finished<'_>) -> Outcome<()> {
        let dbm = finished.model.dbm()?;
        let (files, title) = (finished.files, finished.title);
        let (visible, hidden) = (dbm.layer(0).clone(), dbm.layer(1).clone());
        let first = Rbm::from_parameters([visible, hidden], [dbm.weights(0).clone()])?;
        let encoding = &finished.data.encoding;
        pictures::filters(
            &files.filters,
            &format!("{title}, layer 1"),
            &first,
            encoding,
        )?;
        fantasies::draw(finished, title)
    }

    fn told(&self, finished: &Finished<'_>) -> Told {
        let (Plan::Dbm(plan), Ok(dbm)) = (finished.plan, finished.model.dbm()) else {
            return Told::new();
        };
        let sizes: Vec<usize> = dbm.layers().iter().map(|x| x.size()).collect();
        let pretraining = plan.pretraining.as_ref().map(|plan| {
            let of = |l: usize| report::options(&plan.options_of(l));
            (0..plan.hidden.len()).map(of).collect::<Vec<_>>()
        });
        vec![
            ("layers", json!(sizes)),
            ("classes", json!(dbm.classes())),
            ("pretraining", json!(pretraining)),
            ("joint", report::read(serde_json::to_string(&plan.joint))),
        ]
    }
}
