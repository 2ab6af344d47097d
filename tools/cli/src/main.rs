//! The command line of harmonium: train, evaluate, sample and inspect Boltzmann machines, and
//! measure this one.
//!
//! Exit codes: 0 done, 1 failed, 2 used wrongly. Results go to stdout, everything else to stderr.

mod args;
mod commands;
mod failure;
mod kinds;
mod run;
mod show;

use args::{Cli, Command, Threads};
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use commands::{
    bench, classify, convert, demo, evaluate, impute, inspect, reproduce, sample, train, transform,
    verify,
};
use failure::Outcome;
use harmonium::{environment, threads};
use std::process::ExitCode;

fn main() -> ExitCode {
    let matches = Cli::command().try_get_matches();
    let parsed = matches.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let outcome = match parsed {
        Ok((cli, matches)) => run(&cli, &matches),
        Err(error) => match args::of_other_kind(&error) {
            Some(failure) => Err(failure),
            None => error.exit(),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: &Cli, matches: &ArgMatches) -> Outcome<()> {
    environment::check()?;
    match &cli.command {
        Command::Train(args) => {
            let threads = &args.shared().output.answer.threads;
            on_threads(threads, || train::run(args, &args::said(matches)))
        }
        Command::Evaluate(args) => on_threads(&args.answer.threads, || evaluate::run(args)),
        Command::Classify(args) => on_threads(&args.answer.threads, || classify::run(args)),
        Command::Sample(args) => on_threads(&args.answer.threads, || sample::run(args)),
        Command::Transform(args) => on_threads(&args.answer.threads, || transform::run(args)),
        Command::Impute(args) => on_threads(&args.answer.threads, || impute::run(args)),
        Command::Demo(args) => on_threads(&args.answer.threads, || demo::run(args)),
        Command::Reproduce(args) => on_threads(&args.answer.threads, || reproduce::run(args)),
        Command::Verify(args) => on_threads(&args.answer.threads, || verify::run(args)),
        Command::Convert(args) => convert::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Bench(args) => bench::run(args),
    }
}

/// Runs `work` on as many threads as asked for, or as there are cores.
fn on_threads(asked: &Threads, work: impl FnOnce() -> Outcome<()> + Send) -> Outcome<()> {
    if let Some(threads) = asked.threads {
        threads::set(threads)?;
    }
    threads::start()?;
    threads::in_pool(work)
}
