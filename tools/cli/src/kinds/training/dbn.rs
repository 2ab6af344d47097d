//! `train dbn`: greedy stages, then the up-down algorithm.

use super::{
    Finished, Told, Trains, describe_negative, describe_rbm, fantasies,
    network::expect_complete,
    options::{check_chains, check_layers, layers, of_each, of_stage, one_number},
    reading::for_units,
};
use crate::{
    args::{DbnArgs, FineTuneArgs, UP_DOWN},
    failure::{Failure, Outcome},
    run::data::{Data, Source},
    show::{pictures, report},
};
use harmonium::{
    model::Rbm,
    recipe::{
        DbnPlan, Plan,
        defaults::{self, Length},
    },
    train::{
        GreedyLayer, GreedyPlan, Negative, RbmOptions, Reconstruction, Schedule, UpDownOptions,
    },
    units::Kind,
};
use serde_json::{Value, json};

impl DbnArgs {
    /// Bits are drawn anew at each visit unless they are wanted otherwise.
    fn is_resampled(&self) -> bool {
        let by_default = self.shared.data.binarize.is_none()
            && self
                .units
                .visible_units
                .as_deref()
                .is_none_or(|x| x == "bernoulli");
        self.resample.resample || by_default
    }

    /// How layer `l` of `n` learns alone.
    fn layer(&self, l: usize, n: usize, is_real: bool, length: Length) -> Outcome<RbmOptions> {
        let mut options = defaults::greedy_layer(l, n, is_real, length);
        let reconstruction = self.reconstruction.reconstruction;
        options.negative = self
            .negative
            .negative("", options.negative, reconstruction)?;
        options.steps = self.negative.schedule();
        options.centering = self.shape.centering(options.centering)?;
        options.sparsity = self.shape.sparsity()?;
        self.shared.apply(&mut options.learning, None);
        options.learning.resample_data = self.is_resampled();
        if l == 0 {
            options.variance_rate = self.units.variance_rate.unwrap_or(options.variance_rate);
        }
        Ok(options)
    }

    fn greedy(&self, sizes: &[usize], is_real: bool, length: Length) -> Outcome<GreedyPlan> {
        let n = sizes.len();
        let epochs = self.greedy_epochs.as_deref().unwrap_or_default();
        let epochs = of_each("--greedy-epochs", epochs, n)?;
        let rates = of_each("--greedy-rate", &self.greedy_rate, n)?;
        let layer = |(l, &hidden): (usize, &usize)| {
            let mut options = self.layer(l, n, is_real, length)?;
            if let Some(epochs) = &epochs {
                options.learning.epochs = epochs[l];
            }
            if let Some(rates) = &rates {
                options.learning.learning_rate.clone_from(&rates[l]);
            }
            options.check()?;
            Ok(GreedyLayer {
                hidden,
                options,
                transposed: self.transposed && l > 0,
            })
        };
        Ok(GreedyPlan {
            layers: sizes
                .iter()
                .enumerate()
                .map(layer)
                .collect::<Outcome<_>>()?,
            posterior: self.posterior.unwrap_or(defaults::POSTERIOR),
            classes: None,
        })
    }
}

impl DbnArgs {
    /// Where the up-down algorithm has its samples of the top pair from: of contrastive divergence
    /// unless another --up-down-method is asked for.
    fn top_pair(&self, options: &mut UpDownOptions) -> Outcome<()> {
        let args = &self.up_down_negative.0;
        let usual = Negative::ContrastiveDivergence {
            steps: 1,
            reconstruction: Reconstruction::Sampled,
        };
        let negative = args.negative(UP_DOWN, usual, None)?;
        if matches!(negative, Negative::ContrastiveDivergence { .. }) {
            options.steps = args.steps.clone().unwrap_or(options.steps.clone());
        } else {
            one_number("up-down-steps", args.steps.as_ref())?;
            options.negative = Some(negative);
        }
        Ok(options.check()?)
    }
}

impl Trains for DbnArgs {
    fn epochs(&self) -> (&'static str, Option<usize>) {
        ("--up-down-epochs", self.up_down_epochs)
    }

    fn source(&self) -> Outcome<Source> {
        self.shared.data.reading.expect_inferred()?;
        layers(self.layers.as_deref(), &defaults::DBN_LAYERS)?;
        // What is not said draws no bits of other units.
        let is_resampled = self.is_resampled();
        let source = self.shared.data.source(is_resampled)?;
        let drawn = (&self.shared.data, self.resample.resample);
        let source = for_units(source, &self.units, drawn)?;
        Ok(Source {
            are_epochs_said: self.greedy_epochs.is_some() || self.up_down_epochs.is_some(),
            ..source
        })
    }

    fn plan(&self, source: &Source, data: &Data) -> Outcome<Plan> {
        let hidden = layers(self.layers.as_deref(), &defaults::DBN_LAYERS)?;
        let visible = data.encoding.units().clone();
        let batch_size = self.shared.learning.batch_size;
        let length = Length::new(data.examples(), batch_size, source.are_epochs_said);
        let is_real = defaults::are_real(&visible);
        let mut greedy = self.greedy(&hidden, is_real, length)?;
        greedy.classes = self.labels.then(|| data.classes()).transpose()?;
        let mut up_down = defaults::up_down(self.up_down_epochs, length);
        let rate = |own: &Option<Schedule>, default: &Schedule| {
            let given = own.clone().or_else(|| self.up_down_rate.clone());
            given.unwrap_or(default.clone())
        };
        up_down.generative_rate = rate(&self.generative_rate, &up_down.generative_rate);
        up_down.recognition_rate = rate(&self.recognition_rate, &up_down.recognition_rate);
        up_down.learning.learning_rate = rate(&self.top_rate, &up_down.learning.learning_rate);
        self.up_down.0.apply(&mut up_down.learning);
        up_down.learning.resample_data = self.is_resampled();
        up_down.learning.seed = self.shared.data.seed.unwrap_or(0);
        self.top_pair(&mut up_down)?;
        if visible.have(Kind::Counts) {
            let message = "--visible-units counts: those of an RBM, not of a deep belief network";
            return Err(Failure::usage(message).hint("name the kind: `harmonium train rbm`"));
        }
        if !visible.are(Kind::Bernoulli) && up_down.learning.epochs > 0 {
            return Err(Failure::usage(format!(
                "--visible-units {}: the up-down algorithm is for bernoulli units",
                visible
            ))
            .hint("train such a network greedily alone: --up-down-epochs 0"));
        }
        let is_together = up_down.learning.epochs > 0;
        expect_complete(data, is_together, &self.fine_tune, &self.shared)?;
        let sizes: Vec<usize> = std::iter::once(visible.size()).chain(hidden).collect();
        check_layers(&sizes)?;
        let widest = sizes.iter().copied().max().unwrap_or(1);
        if let Some(negative) = up_down.negative {
            check_chains(negative, widest)?;
        }
        // A layer starts from the one below upside down where it is at least as large as the layer
        // two below.
        for (l, layer) in greedy.layers.iter_mut().enumerate() {
            check_chains(layer.options.negative, widest)?;
            layer.transposed &=
                l > 0 && layer.hidden >= sizes[l - 1] && (l > 1 || visible.are(Kind::Bernoulli));
        }
        if self.transposed && !greedy.layers.iter().any(|layer| layer.transposed) {
            return Err(Failure::usage(
                "--transposed: no layer has as many units as the one two below it",
            ));
        }
        Ok(Plan::Dbn(DbnPlan {
            visible,
            greedy,
            up_down,
            fine_tune: self.fine_tune.options(&self.shared)?,
        }))
    }

    fn options_of(&self, flag: &str) -> Vec<String> {
        let one = |name: &str| vec![name.to_owned()];
        let of_layers = |flag: &str| of_stage("greedy.layers.options.", flag);
        match flag {
            "layers" => one("greedy.layers.hidden"),
            "greedy-epochs" => of_layers("epochs"),
            "greedy-rate" => of_layers("learning-rate"),
            "posterior" => one("greedy.posterior"),
            "generative-rate" => one("up_down.generative_rate"),
            "recognition-rate" => one("up_down.recognition_rate"),
            "top-rate" => one("up_down.learning_rate"),
            "resample" => one("up_down.resample_data"),
            "visible-units" => one("visible_units"),
            _ => match flag.strip_prefix(UP_DOWN) {
                // Steps of contrastive divergence are there whatever the method is.
                Some(flag) => of_stage("up_down.", flag).into_iter().rev().collect(),
                None => of_layers(flag),
            },
        }
    }

    fn fine_tune(&self) -> Option<&FineTuneArgs> {
        Some(&self.fine_tune)
    }

    fn describe(&self, plan: &Plan, data: &Data) -> String {
        let Plan::Dbn(plan) = plan else {
            return String::new();
        };
        let layers = plan.greedy.layers.iter().map(|x| {
            let epochs = x.options.learning.epochs;
            format!(
                "{} ({epochs} epochs of {})",
                x.hidden,
                describe_rbm(&x.options)
            )
        });
        let label = plan.greedy.classes;
        format!(
            "deep belief network of {} visible units{}, layers of {}; batches of {}; up-down: {} epochs, {}",
            data.train.columns(),
            label.map_or(String::new(), |n| format!(", {n} classes")),
            layers.collect::<Vec<_>>().join(", "),
            plan.up_down.learning.batch_size,
            plan.up_down.learning.epochs,
            match plan.up_down.negative {
                Some(negative) => describe_negative(negative),
                None => format!("{} sweeps", plan.up_down.steps),
            },
        )
    }

    /// Weights of the first layer, as it infers, and fantasies of the top pair.
    fn draw(&self, finished: &Finished<'_>) -> Outcome<()> {
        let dbn = finished.model.dbn()?;
        let (files, title) = (finished.files, finished.title);
        let encoding = &finished.data.encoding;
        match dbn.directed().first() {
            None => pictures::filters(&files.filters, title, dbn.top(), encoding)?,
            Some(pair) => {
                let (below, above) = (pair.below().clone(), pair.above().clone());
                let first =
                    Rbm::from_parameters([below, above], [pair.recognition_weights().clone()])?;
                let title = format!("{title}, lowest layer");
                pictures::filters(&files.filters, &title, &first, encoding)?;
            }
        }
        fantasies::draw(finished, title)
    }

    fn told(&self, finished: &Finished<'_>) -> Told {
        let (Plan::Dbn(plan), Ok(dbn)) = (finished.plan, finished.model.dbn()) else {
            return Told::new();
        };
        let sizes: Vec<usize> = (0..dbn.n_layers()).map(|l| dbn.layer(l).size()).collect();
        let of_layers = plan.greedy.layers.iter();
        let greedy: Vec<Value> = of_layers.map(|x| report::options(&x.options)).collect();
        let up_down = report::read(serde_json::to_string(&plan.up_down));
        vec![
            ("layers", json!(sizes)),
            ("classes", json!(plan.greedy.classes)),
            ("greedy", json!(greedy)),
            ("up_down", up_down),
        ]
    }
}
