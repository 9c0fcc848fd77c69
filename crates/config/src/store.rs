//! The commands that look after a store: `barid store VERB`.

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;

/// A command about the store of a data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreInvocation {
    /// The data folder.
    pub data_dir: PathBuf,
    /// What is to be done.
    pub command: StoreCommand,
}

/// What is to be done with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreCommand {
    /// Read all of it and tell what is damaged. Nothing is changed.
    Check,
    /// Put what is damaged aside and go on with what is left.
    Repair {
        /// Whether the operator has said that what is lost may be.
        accept_loss: bool,
    },
    /// Tell what it holds and what that takes.
    Stats,
    /// Copy it, also while its broker runs.
    Backup {
        /// The folder to make, which becomes a data folder.
        to: PathBuf,
    },
    /// Make the data folder from a copy.
    Restore {
        /// The copy.
        from: PathBuf,
    },
}

const STORE: &str = "store";
const CHECK: &str = "check";
const REPAIR: &str = "repair";
const STATS: &str = "stats";
const BACKUP: &str = "backup";
const RESTORE: &str = "restore";
const ACCEPT_LOSS: &str = "accept-loss";
const FOLDER: &str = "folder";

/// The command with its verbs, each taking `common` too.
pub(crate) fn noun(common: &[Arg]) -> Command {
    let verb =
        |name: &'static str, about: &'static str| Command::new(name).about(about).args(common);
    let folder = |doc: &'static str| {
        Arg::new(FOLDER)
            .required(true)
            .value_name("FOLDER")
            .value_parser(value_parser!(PathBuf))
            .help(doc)
    };
    let accept_loss = Arg::new(ACCEPT_LOSS)
        .long(ACCEPT_LOSS)
        .action(ArgAction::SetTrue)
        .help("Go on without what is damaged; else nothing is changed, and what would be lost is told");
    Command::new(STORE)
        .about("Check, repair, measure and copy the store of a data folder")
        .subcommand_required(true)
        .subcommand(verb(
            CHECK,
            "Read everything and tell what is damaged; changes nothing",
        ))
        .subcommand(
            verb(
                REPAIR,
                "Put damaged files aside and keep all that is intact",
            )
            .arg(accept_loss),
        )
        .subcommand(verb(
            STATS,
            "Tell what the store holds, and what it takes on the disk",
        ))
        .subcommand(
            verb(
                BACKUP,
                "Copy the store to a folder, also while its broker runs",
            )
            .arg(folder(
                "The folder to make; it can be served as a data folder",
            )),
        )
        .subcommand(
            verb(
                RESTORE,
                "Make the data folder, which must not be there, from a copy",
            )
            .arg(folder("The copy")),
        )
}

/// What is asked, with what was given for the common arguments; none if it is no command about the store.
pub(crate) fn asked(matches: &ArgMatches) -> Option<(&ArgMatches, StoreCommand)> {
    let (_, matches) = matches.subcommand().filter(|(noun, _)| *noun == STORE)?;
    let (verb, matches) = matches.subcommand()?;
    let folder = || matches.get_one::<PathBuf>(FOLDER).cloned();
    let command = match verb {
        CHECK => StoreCommand::Check,
        REPAIR => StoreCommand::Repair {
            accept_loss: matches.get_flag(ACCEPT_LOSS),
        },
        STATS => StoreCommand::Stats,
        BACKUP => StoreCommand::Backup { to: folder()? },
        RESTORE => StoreCommand::Restore { from: folder()? },
        _ => return None,
    };
    Some((matches, command))
}
