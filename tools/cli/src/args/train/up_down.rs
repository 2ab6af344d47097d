//! Options of a stage under names of its own.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches};
use std::ffi::OsString;

/// Before the names of flags that are about the up-down algorithm.
pub const UP_DOWN: &str = "up-down-";
/// Flags that the up-down algorithm shares with the greedy stages, or has in three parts.
const OTHERS: [&str; 2] = ["batch-size", "learning-rate"];

/// The options `A` of the up-down algorithm: `--NAME` is `--up-down-NAME`.
#[derive(Clone, Debug)]
pub struct UpDown<A>(pub A);

fn own<A: Args>() -> Command {
    A::augment_args(Command::new("train").no_binary_name(true))
}

/// Names of an option, its own and that of the stage.
fn names(arg: &clap::Arg) -> Option<(&str, String)> {
    let long = arg.get_long().filter(|long| !OTHERS.contains(long))?;
    Some((long, format!("{UP_DOWN}{long}")))
}

impl<A: Args> Args for UpDown<A> {
    fn augment_args(command: Command) -> Command {
        let own = own::<A>();
        let renamed = own.get_arguments().filter_map(|arg| {
            let (long, name) = names(arg)?;
            let help = format!("--{long} of the up-down algorithm");
            let arg = arg.clone().id(name.clone()).long(name).help(help);
            Some(arg.long_help(None).hide_short_help(true))
        });
        command.args(renamed)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<A: Args> FromArgMatches for UpDown<A> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let own = own::<A>();
        let mut words = Vec::new();
        for (long, name) in own.get_arguments().filter_map(names) {
            for value in matches.get_raw(&name).into_iter().flatten() {
                let mut word = OsString::from(format!("--{long}="));
                word.push(value);
                words.push(word);
            }
        }
        A::from_arg_matches(&own.try_get_matches_from(words)?).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
