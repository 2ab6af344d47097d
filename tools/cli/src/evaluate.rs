//! `harmonium evaluate`: the log-likelihood of data under a model.

use crate::{
    args::EvaluateArgs,
    classify::{Classification, name},
    data::{Source, resolved},
    failure::{Failure, Outcome, note},
    likelihood::{self, Likelihood, Way},
    plan::MOST_ELEMENTS,
    progress::Bar,
    report,
};
use harmonium::{Error, checkpoint::Checkpoint};
use std::{io, ops::ControlFlow, path::Path};

/// Reads a model file, with advice if there is none.
pub fn load_model(path: &Path) -> Outcome<Checkpoint> {
    Checkpoint::load(path).map_err(|error| {
        let missing =
            matches!(&error, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound);
        let foreign = matches!(&error, Error::File { .. });
        let failure = Failure::from(error);
        if missing {
            failure.hint("`harmonium train` makes a model: ./run/model.safetensors")
        } else if foreign {
            failure.hint("`harmonium train` writes files of this kind as model.safetensors")
        } else {
            failure
        }
    })
}

/// Runs the command.
pub fn run(args: &EvaluateArgs) -> Outcome<()> {
    let checkpoint = load_model(&args.model)?;
    let rbm = &checkpoint.rbm;
    let noted = Source::from_notes(&checkpoint.notes)?;
    let seed = args
        .seed
        .or(noted.as_ref().map(|source| source.seed))
        .unwrap_or(0);
    let mut source = noted.unwrap_or(Source {
        seed,
        ..Source::default()
    });
    if let Some(data) = args.data.as_deref().map(resolved)
        && data != source.data
    {
        source.data = data;
        source.validation = 0;
    }
    if let Some(binarize) = args.binarize {
        source.binarize = binarize;
    }
    let mut data = source.load().map_err(|failure| {
        if args.data.is_some() {
            failure
        } else {
            failure.hint("this is what the model was trained on; name other data with --data")
        }
    })?;
    likelihood::check_width(rbm, &data)?;
    let most = MOST_ELEMENTS / rbm.n_visible().max(rbm.n_hidden()).max(1);
    if args.chains > most {
        return Err(Failure::usage(format!(
            "--chains {}: expected at most {most} of a machine of this size",
            args.chains
        )));
    }
    if args.binarize.is_none() && rbm.is_bernoulli() && likelihood::is_grey(&data) {
        note("grey values are drawn once as bits (--binarize sample)");
        data = likelihood::drawn(data, source.seed);
    }

    let (examples, split) = likelihood::examples(&data, args.split);
    let title = format!(
        "{}: {} on {}, binarisation {}",
        args.model.display(),
        name(rbm),
        data.name,
        source.binarize
    );
    let classified = match rbm.label_group() {
        Some(group) => Classification::measure(rbm, &examples.first_columns(group.first), split)?,
        None => None,
    };
    if let Some(classified) = &classified
        && !args.exact
    {
        note("the likelihood of a machine with labels is enumerated alone: --exact");
        if args.json {
            return report::json(classified.json());
        }
        let rows = [classified.rows(), classified.confusion_rows()].concat();
        return report::table(&title, &rows);
    }
    let way = if args.exact {
        Way::Exact
    } else {
        Way::ais(&data.train, args.chains, args.betas, seed)
    };
    let bar = Bar::new(args.betas as u64, "annealing");
    let measured = Likelihood::measure(rbm, examples, split, &way, &mut |done, _| {
        bar.set(done as u64);
        ControlFlow::Continue(())
    })?;
    bar.clear();
    let Some(measured) = measured else {
        return Err(Failure::failed("interrupted"));
    };
    if args.json {
        let mut object = measured.json();
        object.extend(classified.map(|c| c.json()).unwrap_or_default());
        return report::json(object);
    }
    let mut rows = measured.rows();
    if let Some(classified) = &classified {
        rows.extend(classified.rows());
        rows.extend(classified.confusion_rows());
    }
    report::table(&title, &rows)
}
