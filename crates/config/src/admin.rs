//! The commands that ask a broker, built from one table.

use crate::error::Error;
use clap::builder::{NonEmptyStringValueParser, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Map, Value};
use std::path::PathBuf;

mod table;

use table::{COMMANDS, NOUNS};

/// A command to a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminInvocation {
    /// The folder of the broker that is asked.
    pub data_dir: PathBuf,
    /// Where its users are.
    pub users_file: PathBuf,
    /// What is asked, as the admin interface takes it: `command` and its fields, those of a definition
    /// in `definition`. What was not given is not there.
    pub request: Map<String, Value>,
    /// How the answer is shown.
    pub output: Output,
}

/// How an answer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// To people.
    Table,
    /// To programs, as JSON.
    Json,
}

/// One command: `barid NOUN VERB`.
struct Verb {
    noun: &'static str,
    verb: &'static str,
    about: &'static str,
    /// What the admin interface calls it.
    command: &'static str,
    arguments: &'static [Argument],
}

/// What a command takes.
struct Argument {
    /// Its name; with dashes in front unless it stands by its place.
    name: &'static str,
    /// What the admin interface calls it.
    field: &'static str,
    place: Place,
    kind: Kind,
    doc: &'static str,
}

/// Where a field stands in the request.
#[derive(Clone, Copy)]
enum Place {
    Request,
    Definition,
}

enum Kind {
    /// Needed, and known by its place.
    Positional,
    Text(&'static str),
    /// At most this.
    Number(&'static str, u64),
    /// One of these words, needed.
    NeededChoice(&'static [&'static str]),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Given, the field is this.
    Switch(bool),
    /// `NAME=VALUE`, any number of them.
    Pairs,
}

/// The flag that asks for JSON.
const JSON: &str = "json";

/// The commands by their nouns, each taking `common` too.
pub(crate) fn nouns(common: &[Arg]) -> impl Iterator<Item = Command> {
    NOUNS.iter().map(move |(noun, about)| {
        let verbs = COMMANDS.iter().filter(|verb| verb.noun == *noun);
        Command::new(*noun)
            .about(*about)
            .subcommand_required(true)
            .subcommands(verbs.map(|verb| command(verb).args(common)))
    })
}

/// What a command line of one of these commands asks for.
pub(crate) struct Asked<'a> {
    /// What was given for the arguments that all of them take.
    pub(crate) common: &'a ArgMatches,
    /// See [`AdminInvocation`].
    pub(crate) request: Map<String, Value>,
    /// See [`AdminInvocation`].
    pub(crate) output: Output,
}

/// What is asked; none if it is no command of these.
pub(crate) fn asked(matches: &ArgMatches) -> Option<Result<Asked<'_>, Error>> {
    let (noun, matches) = matches.subcommand()?;
    let (verb, matches) = matches.subcommand()?;
    let verb = COMMANDS
        .iter()
        .find(|known| known.noun == noun && known.verb == verb)?;
    let output = match matches.try_get_one(JSON) {
        Ok(Some(true)) => Output::Json,
        Ok(_) | Err(_) => Output::Table,
    };
    let asked = fields(verb, matches).map(|request| Asked {
        common: matches,
        request,
        output,
    });
    Some(asked)
}

fn command(verb: &'static Verb) -> Command {
    let command = Command::new(verb.verb)
        .about(verb.about)
        .args(verb.arguments.iter().map(arg));
    if verb.verb != "list" {
        return command;
    }
    command.arg(
        Arg::new(JSON)
            .long(JSON)
            .action(ArgAction::SetTrue)
            .help("Print JSON"),
    )
}

fn arg(argument: &'static Argument) -> Arg {
    let arg = Arg::new(argument.name).help(argument.doc);
    if matches!(argument.kind, Kind::Positional) {
        return arg.required(true).value_name(argument.name.to_uppercase());
    }
    let arg = arg.long(argument.name).allow_hyphen_values(true);
    match argument.kind {
        Kind::Positional | Kind::Text(_) => arg.value_name(argument.placeholder()),
        Kind::Number(_, max) => arg
            .value_name(argument.placeholder())
            .value_parser(clap::value_parser!(u64).range(..=max)),
        Kind::NeededChoice(words) => arg
            .value_name(argument.placeholder())
            .required(true)
            .value_parser(PossibleValuesParser::new(words)),
        Kind::Choice(words) => arg
            .value_name(argument.placeholder())
            .value_parser(PossibleValuesParser::new(words)),
        Kind::Switch(_) => arg.action(ArgAction::SetTrue).allow_hyphen_values(false),
        Kind::Pairs => arg
            .value_name(argument.placeholder())
            .action(ArgAction::Append)
            .value_parser(NonEmptyStringValueParser::new()),
    }
}

impl Argument {
    fn placeholder(&self) -> &'static str {
        match self.kind {
            Kind::Text(placeholder) | Kind::Number(placeholder, _) => placeholder,
            Kind::NeededChoice(_) | Kind::Choice(_) => "CHOICE",
            Kind::Positional | Kind::Switch(_) => "",
            Kind::Pairs => "NAME=VALUE",
        }
    }

    /// What was given for it.
    fn value(&self, matches: &ArgMatches) -> Result<Option<Value>, Error> {
        let text = || matches.get_one::<String>(self.name).cloned();
        Ok(match self.kind {
            Kind::Positional | Kind::Text(_) | Kind::NeededChoice(_) | Kind::Choice(_) => {
                text().map(Value::from)
            }
            Kind::Number(..) => matches.get_one::<u64>(self.name).copied().map(Value::from),
            Kind::Switch(value) => matches.get_flag(self.name).then_some(Value::from(value)),
            Kind::Pairs => {
                let pairs = matches.get_many::<String>(self.name);
                pairs.map(|pairs| pairs_of(self.name, pairs)).transpose()?
            }
        })
    }
}

fn fields(verb: &Verb, matches: &ArgMatches) -> Result<Map<String, Value>, Error> {
    let mut request = Map::new();
    let mut definition = Map::new();
    request.insert("command".to_owned(), verb.command.into());
    for argument in verb.arguments {
        let Some(value) = argument.value(matches)? else {
            continue;
        };
        let fields = match argument.place {
            Place::Request => &mut request,
            Place::Definition => &mut definition,
        };
        fields.insert(argument.field.to_owned(), value);
    }
    if !definition.is_empty() {
        request.insert("definition".to_owned(), definition.into());
    }
    Ok(request)
}

fn pairs_of<'a>(name: &str, pairs: impl Iterator<Item = &'a String>) -> Result<Value, Error> {
    let mut fields = Map::new();
    for pair in pairs {
        let Some((field, value)) = pair.split_once('=') else {
            return Err(Error::Usage(format!(
                "error: --{name} '{pair}' is not NAME=VALUE\n\nFor more information, try '--help'."
            )));
        };
        if fields.insert(field.to_owned(), typed(value)).is_some() {
            return Err(Error::Usage(format!(
                "error: --{name} gives '{field}' twice\n\nFor more information, try '--help'."
            )));
        }
    }
    Ok(fields.into())
}

/// A value as people write it: whole numbers, `true` and `false`; else it is text.
fn typed(text: &str) -> Value {
    if let Ok(number) = text.parse::<i64>() {
        return number.into();
    }
    if let Ok(number) = text.parse::<u64>() {
        return number.into();
    }
    text.parse::<bool>()
        .map_or_else(|_| text.into(), Value::from)
}

/// Every command by its two words.
#[cfg(test)]
pub(crate) fn words() -> impl Iterator<Item = String> {
    COMMANDS
        .iter()
        .map(|verb| format!("{} {}", verb.noun, verb.verb))
}

/// What the help of a command must tell.
#[cfg(test)]
pub(crate) fn help_parts(words: &str) -> impl Iterator<Item = String> {
    let is_meant = move |verb: &&Verb| format!("{} {}", verb.noun, verb.verb) == words;
    COMMANDS.iter().filter(is_meant).flat_map(|verb| {
        let arguments = verb.arguments.iter().flat_map(|argument| {
            let name = match argument.kind {
                Kind::Positional => format!("<{}>", argument.name.to_uppercase()),
                Kind::Text(_)
                | Kind::Number(..)
                | Kind::NeededChoice(_)
                | Kind::Choice(_)
                | Kind::Switch(_)
                | Kind::Pairs => format!("--{}", argument.name),
            };
            [name, argument.doc.to_owned()]
        });
        std::iter::once(verb.about.to_owned()).chain(arguments)
    })
}
