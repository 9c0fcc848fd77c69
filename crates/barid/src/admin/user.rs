//! The commands about users: passwords, and what is done without a broker.

use crate::entropy;
use crate::users::UsersFile;
use anyhow::{Context as _, ensure};
use auth::{ITERATIONS_DEFAULT, PLAIN_BYTES_MAX, ScramCredentials, UserChange};
use management::{Request, user};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

/// Completes a request that needs a password: it goes out as what is kept of the password, made here.
pub(super) fn complete(request: &mut Map<String, Value>) -> anyhow::Result<()> {
    if request.get("command") != Some(&json!("put_user")) {
        return Ok(());
    }
    let iterations = request.remove("iterations");
    let iterations = iterations.as_ref().and_then(Value::as_u64);
    let iterations = iterations.map_or(Ok(ITERATIONS_DEFAULT), u32::try_from);
    let iterations = iterations.context("--iterations")?;
    // Before anybody types a password in vain.
    ScramCredentials::from_password("any", &entropy::draw::<16>(), iterations)?;
    let password = password()?;
    let credentials =
        ScramCredentials::from_password(&password, &entropy::draw::<16>(), iterations)?;
    request.insert("credentials".to_owned(), credentials.to_text().into());
    Ok(())
}

/// What is done about users where no broker runs, and its answer; none if the request is about something else.
pub(super) fn without_broker(
    request: &Request,
    users_file: &Path,
) -> anyhow::Result<Option<Value>> {
    let file = UsersFile::new(users_file.to_owned());
    match request {
        Request::PutUser(put) => {
            file.change(UserChange::Put {
                name: put.name.clone(),
                credentials: put.credentials.parse()?,
                replace: put.replace,
            })?;
            Ok(Some(json!({})))
        }
        Request::DeleteUser(delete) => {
            let name = delete.name.clone();
            file.change(UserChange::Delete { name })?;
            Ok(Some(json!({})))
        }
        Request::ListUsers(_) => {
            let users = file.users()?;
            let listed = users.iter().map(|(name, credentials)| user::Listed {
                name: name.into(),
                iterations: credentials.iterations(),
            });
            let listed: Vec<_> = listed.collect();
            Ok(Some(serde_json::to_value(listed)?))
        }
        Request::DeclareExchange(_)
        | Request::DeleteExchange(_)
        | Request::ListExchanges(_)
        | Request::DeclareQueue(_)
        | Request::DeleteQueue(_)
        | Request::PurgeQueue(_)
        | Request::ListQueues(_)
        | Request::DeclareBinding(_)
        | Request::DeleteBinding(_)
        | Request::ListBindings(_) => Ok(None),
    }
}

/// Asks for a password at the terminal, twice; or takes the first line of the standard input if that is none.
fn password() -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return line(&mut stdin.lock());
    }
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let terminal = terminal.context("cannot ask for a password at the terminal")?;
    let silence = Silence::begin(&terminal)?;
    let mut input = BufReader::new(&terminal);
    let mut ask = |prompt: &str| -> anyhow::Result<String> {
        (&terminal).write_all(prompt.as_bytes())?;
        let answer = line(&mut input);
        (&terminal).write_all(b"\n")?;
        answer
    };
    let password = ask("Password: ")?;
    let again = ask("The same again: ")?;
    drop(silence);
    ensure!(password == again, "the two passwords are not the same");
    Ok(password)
}

/// One line, without its end.
fn line(input: &mut dyn std::io::BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    let limit = PLAIN_BYTES_MAX as u64 + 2;
    let count = input.take(limit).read_line(&mut line);
    count.context("cannot read the password")?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    ensure!(
        line.len() <= PLAIN_BYTES_MAX,
        "a password has at most {PLAIN_BYTES_MAX} bytes"
    );
    Ok(line.to_owned())
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn begin(terminal: &'a File) -> anyhow::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // If it fails, whoever sits there sees it.
        let _is_restored = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
