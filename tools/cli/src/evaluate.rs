//! `harmonium evaluate`: the log-likelihood of data under a model.

use crate::{
    args::EvaluateArgs,
    data::{MNIST, Source, resolved},
    failure::{Failure, Outcome, note},
    likelihood::{self, Likelihood, Way},
    plan::MOST_ELEMENTS,
    progress::Bar,
    report,
};
use harmonium::{Error, checkpoint::Checkpoint, dataset::Binarization};
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
        data: MNIST.into(),
        binarize: Binarization::Sampled,
        seed,
        validation: 0,
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
    if args.binarize.is_none() && likelihood::is_grey(&data) {
        note("grey values are drawn once as bits (--binarize sample)");
        data = likelihood::drawn(data, source.seed);
    }

    let (examples, split) = likelihood::examples(&data, args.split);
    let way = if args.exact {
        Way::Exact
    } else {
        Way::ais(&data.train, args.chains, args.betas, seed)
    };
    let bar = Bar::new(1, way.activity());
    let measured = Likelihood::measure(rbm, examples, split, &way, &mut |done, all| {
        bar.set_of(done, all);
        ControlFlow::Continue(())
    })?;
    bar.clear();
    let Some(measured) = measured else {
        return Err(Failure::failed("interrupted"));
    };
    if args.json {
        return report::json(measured.json());
    }
    let title = format!(
        "{}: RBM {}-{} on {}, binarisation {}",
        args.model.display(),
        rbm.n_visible(),
        rbm.n_hidden(),
        data.name,
        source.binarize
    );
    report::table(&title, &measured.rows())
}
