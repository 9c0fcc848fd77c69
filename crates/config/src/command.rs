//! The command line, built from the table of keys.

use crate::admin::{self, AdminInvocation};
use crate::error::{BadKey, Error, Origin};
use crate::key::Key;
use crate::settings::Config;
use crate::sources::{CONFIG_ENV, Sources};
use crate::store::{self, StoreInvocation};
use crate::table::KEYS;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// The key of what commands to a broker know it by.
const DATA_DIR: &str = "data_dir";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Run a broker with these settings.
    Serve(Box<Config>),
    /// Ask a broker.
    Admin(AdminInvocation),
    /// Look after a store.
    Store(StoreInvocation),
    /// Print this to standard output and end well: help or the version.
    Print(String),
}

/// Understands a command line, an environment and the file that either may name.
///
/// `args` begins with the name of the program. `read_file` is asked for the configuration file, if
/// there is one.
///
/// # Errors
/// [`Error::Usage`] for a command line that makes no sense, [`Error::Unreadable`] and
/// [`Error::Syntax`] for the file, [`Error::Keys`] for all keys that are unknown or have a value
/// they cannot have.
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
    read_file: impl Fn(&Path) -> io::Result<String>,
) -> Result<Invocation, Error> {
    let matches = match root().try_get_matches_from(with_subcommand(args)) {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => {
            return Err(Error::Usage(error.to_string().trim_end().to_owned()));
        }
        Err(help) => return Ok(Invocation::Print(help.to_string())),
    };
    if let Some(serve) = matches.subcommand_matches("serve") {
        let config = resolve(serve, env, read_file)?;
        return Ok(Invocation::Serve(Box::new(config)));
    }
    if let Some((common, command)) = store::asked(&matches) {
        return Ok(Invocation::Store(StoreInvocation {
            data_dir: resolve(common, env, read_file)?.data_dir,
            command,
        }));
    }
    let Some(asked) = admin::asked(&matches) else {
        return Err(Error::Usage("no command; try --help".to_owned()));
    };
    let asked = asked?;
    let config = resolve(asked.common, env, read_file)?;
    Ok(Invocation::Admin(AdminInvocation {
        users_file: config.users_file(),
        data_dir: config.data_dir,
        request: asked.request,
        output: asked.output,
    }))
}

/// [`parse`] with the arguments, the environment and the files of this process.
///
/// # Errors
/// As [`parse`].
pub fn from_process() -> Result<Invocation, Error> {
    parse(std::env::args_os(), std::env::vars_os(), |path| {
        std::fs::read_to_string(path)
    })
}

fn resolve(
    matches: &ArgMatches,
    env: impl IntoIterator<Item = (OsString, OsString)>,
    read_file: impl Fn(&Path) -> io::Result<String>,
) -> Result<Config, Error> {
    let mut sources = Sources::default();
    let env = ours(env)?;
    let file_env = env.iter().find(|(name, _)| name == CONFIG_ENV);
    let file = matches
        .get_one::<PathBuf>("config")
        .cloned()
        .or_else(|| file_env.map(|(_, value)| PathBuf::from(value)));
    if let Some(path) = file {
        sources.add_file(&path, &read_table(&path, &read_file)?);
    }
    for (name, value) in env {
        sources.add_env(&name, value);
    }
    for key in KEYS {
        // A command that asks a broker does not have all of them.
        if let Ok(Some(value)) = matches.try_get_one::<String>(key.path) {
            sources.add_flag(key, value.clone());
        }
    }
    sources.resolve().map_err(Error::Keys)
}

fn read_table(
    path: &Path,
    read_file: &impl Fn(&Path) -> io::Result<String>,
) -> Result<toml::Table, Error> {
    let text = read_file(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    text.parse()
        .map_err(|error: toml::de::Error| Error::Syntax {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })
}

/// The variables whose name begins as ours do, as text.
fn ours(
    env: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, Error> {
    let names = env.into_iter().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        name.starts_with("BARID_").then_some((name, value))
    });
    let values = names.map(|(name, value)| match value.into_string() {
        Ok(value) => Ok((name, value)),
        Err(value) => Err(Error::Keys(vec![BadKey::Value {
            key: name.clone(),
            origin: Origin::Env(name),
            value: value.to_string_lossy().into_owned(),
            allowed: "UTF-8".to_owned(),
        }])),
    });
    values.collect()
}

/// `barid` alone, or with flags only, is `barid serve`.
fn with_subcommand(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<_> = args.into_iter().collect();
    if args.is_empty() {
        args.push("barid".into());
    }
    let first = args.get(1).and_then(|arg| arg.to_str());
    let is_serve = match first {
        None => args.len() == 1,
        Some("-h" | "--help" | "-V" | "--version") => false,
        Some(first) => first.starts_with('-'),
    };
    if is_serve {
        args.insert(1, "serve".into());
    }
    args
}

fn root() -> Command {
    Command::new("barid")
        .about("One messaging system for every protocol")
        .long_about(
            "One messaging system for every protocol.\n\nWithout a command, barid runs a broker: \
             `barid` is `barid serve`. `barid store` looks after a data folder. The other commands ask the \
             broker that runs on the same data folder; `barid user` does without one.",
        )
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .subcommand(serve())
        .subcommands(admin::nouns(&broker_arguments()))
        .subcommand(store::noun(&broker_arguments()))
}

/// What tells which broker is asked.
fn broker_arguments() -> Vec<Arg> {
    let data_dir = KEYS.iter().filter(|key| key.path == DATA_DIR);
    std::iter::once(config_file())
        .chain(data_dir.map(arg))
        .collect()
}

fn serve() -> Command {
    let about = "Run a broker";
    let long_about = "Run a broker.\n\nEvery setting has a key for the TOML file, an environment \
         variable and a flag. A flag beats the environment, the environment beats the file, the \
         file beats the default.";
    Command::new("serve")
        .about(about)
        .long_about(long_about)
        .arg(config_file())
        .args(KEYS.iter().map(arg))
}

fn config_file() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help(format!(
            "The TOML file to read settings from. [{CONFIG_ENV}]"
        ))
        .help_heading("Broker")
}

fn arg(key: &'static Key) -> Arg {
    Arg::new(key.path)
        .long(key.flag())
        .value_name(key.placeholder())
        .help(key.help())
        .help_heading(key.group)
        .action(ArgAction::Set)
        .allow_hyphen_values(true)
}

#[cfg(test)]
mod tests;
