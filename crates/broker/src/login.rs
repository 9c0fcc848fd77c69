//! Who is at the other end of a connection: how it says so.
//!
//! ```text
//!              Begin                     shown
//!  (none)  ───────────► Exchange ──────────────────► Shown ──Connect──► a principal
//!     │                  │    ▲ challenge, answer      ▲                    │
//!     │                  └────┘                        │  Begin: the same, beside all else,
//!     │                  │                             │  and it must be the same user
//!     │ a password       │ a password                  │
//!     └──────────────────┴───────────► Checking ───────┘
//!
//!  any ── not shown ──► Failed: nothing more is shown on this connection
//! ```

use crate::connection::Connection;
use crate::logins::Check;
use crate::permit::{GUEST, Principal, Role, admit_guest};
use auth::{Exchange, Mechanism, PLAIN_BYTES_MAX, ScramCredentials, Step, UserChange, prepare};
use broker_api::{Authenticate, Authenticated, Connect, Event, PutUser, Refusal, Reply};
use model::CommandId;
use std::sync::Arc;

/// What the other end of a connection has shown of itself, while that is not settled.
pub(crate) enum Showing {
    /// Its next message is awaited.
    Exchange(Exchange),
    /// Whether its password is right is being found out.
    Checking {
        command: CommandId,
        /// Who connects with it, if it was shown so.
        connect: Option<Box<Connect>>,
    },
    /// That it is this user, who has not connected.
    Shown(Box<str>),
    /// That it is not who it said.
    Failed,
}

/// What can be said of a password.
enum Verdict {
    Right(Box<str>),
    /// It is being found out.
    Later,
}

impl Connection {
    /// Says who connects.
    pub(crate) fn connect(&mut self, command: CommandId, mut connect: Connect) {
        if self.refuse_while_checking(command) {
            return;
        }
        let login = connect.login.take();
        let user = match (self.showing.take().map(|it| *it), login) {
            (None | Some(Showing::Shown(_)), Some(login)) => {
                match self.judge(command, &login.user, login.password) {
                    Ok(Verdict::Right(user)) => Ok(user),
                    Ok(Verdict::Later) => {
                        let connect = Some(Box::new(connect));
                        self.set_showing(Showing::Checking { command, connect });
                        return;
                    }
                    Err(refusal) => Err(refusal),
                }
            }
            (Some(Showing::Shown(user)), None) => Ok(user),
            (None, None) => match self.present() {
                Ok((user, role)) => return self.admit(command, connect, user, role),
                Err(refusal) => Err(refusal),
            },
            (Some(Showing::Exchange(_) | Showing::Checking { .. } | Showing::Failed), _) => {
                Err(login_failed(""))
            }
        };
        match user {
            Ok(user) => self.admit(command, connect, user, Role::User),
            Err(refusal) => self.fail_login(command, refusal),
        }
    }

    /// Takes a step of an authentication.
    pub(crate) fn authenticate(&mut self, command: CommandId, step: Authenticate) {
        if self.refuse_while_checking(command) {
            return;
        }
        let (exchange, data) = match (self.showing.take().map(|it| *it), step) {
            (None | Some(Showing::Shown(_)), Authenticate::Vouched { user }) => {
                let is_there = self.node.logins.users().get(&user).is_some();
                if is_there {
                    self.shown(command, user, Vec::new());
                } else {
                    self.fail_login(command, login_failed(&user));
                }
                return;
            }
            (None | Some(Showing::Shown(_)), Authenticate::Begin { mechanism, data }) => {
                let Some(known) = Mechanism::from_name(&mechanism) else {
                    let mechanism = auth::Excerpt::of(&mechanism).to_string();
                    return self.fail_login(command, Refusal::UnknownMechanism { mechanism });
                };
                (Exchange::new(known), data)
            }
            (Some(Showing::Exchange(exchange)), Authenticate::Continue { data }) => {
                (exchange, Some(data))
            }
            (
                None
                | Some(
                    Showing::Exchange(_)
                    | Showing::Checking { .. }
                    | Showing::Shown(_)
                    | Showing::Failed,
                ),
                Authenticate::Begin { .. }
                | Authenticate::Continue { .. }
                | Authenticate::Vouched { .. },
            ) => return self.fail_login(command, login_failed("")),
        };
        let users = self.node.logins.users();
        let entropy = &self.node.settings.entropy;
        match exchange.step(data.as_deref(), &users, || entropy.draw_nonce()) {
            Ok(Step::Challenge(challenge, next)) => {
                self.set_showing(Showing::Exchange(next));
                self.answer(command, Ok(Reply::Challenge(challenge)));
            }
            Ok(Step::Verified { name, data }) => self.shown(command, name.into(), data),
            Ok(Step::Password { name, password }) => {
                match self.judge(command, name.as_bytes(), password.into_bytes()) {
                    Ok(Verdict::Right(user)) => self.shown(command, user, Vec::new()),
                    Ok(Verdict::Later) => {
                        let connect = None;
                        self.set_showing(Showing::Checking { command, connect });
                    }
                    Err(refusal) => self.fail_login(command, refusal),
                }
            }
            Err(failed) => {
                tracing::debug!(
                    connection = self.outbox.connection().0,
                    error = %failed.error,
                    "not authenticated"
                );
                self.fail_login(command, login_failed(&failed.name.unwrap_or_default()));
            }
        }
    }

    /// One password is enough at a time: whether it is right is told first.
    fn refuse_while_checking(&mut self, command: CommandId) -> bool {
        let is_checking = matches!(self.showing.as_deref(), Some(Showing::Checking { .. }));
        if is_checking {
            let text = "a password is being checked".to_owned();
            self.refuse(command, Refusal::Invalid(text));
        }
        is_checking
    }

    /// What becomes of an answer that may be about a password. Passes on what is not.
    pub(crate) fn password_checked(&mut self, event: Event) -> Option<Event> {
        let Some(Showing::Checking { command, .. }) = self.showing.as_deref() else {
            return Some(event);
        };
        let command = *command;
        let Event::Done(id, done) = event else {
            return Some(event);
        };
        if id != command {
            return Some(Event::Done(id, done));
        }
        let connect = match self.showing.take().map(|it| *it) {
            Some(Showing::Checking { connect, .. }) => connect,
            None | Some(Showing::Exchange(_) | Showing::Shown(_) | Showing::Failed) => None,
        };
        match (done, connect) {
            (Ok(Reply::Authenticated(shown)), Some(connect)) => {
                self.admit(command, *connect, shown.user, Role::User);
            }
            (Ok(Reply::Authenticated(shown)), None) => {
                self.shown(command, shown.user, shown.data);
            }
            (Ok(_), _) => self.fail_login(command, login_failed("")),
            (Err(refusal), _) => self.fail_login(command, refusal),
        }
        // In its place among the answers, of which there are no others: nothing is asked meanwhile.
        self.answers.pop_back()
    }

    /// Makes or changes a user.
    pub(crate) fn put_user(&mut self, command: CommandId, put: PutUser) {
        match put.credentials.parse::<ScramCredentials>() {
            Ok(credentials) => {
                let PutUser { name, replace, .. } = put;
                let change = UserChange::Put {
                    name,
                    credentials,
                    replace,
                };
                self.change_users(command, change);
            }
            Err(error) => self.refuse(command, Refusal::Invalid(error.to_string())),
        }
    }

    pub(crate) fn change_users(&mut self, command: CommandId, change: UserChange) {
        let outbox = Arc::clone(&self.outbox);
        if let Err(refusal) = self.node.logins.change(&outbox, command, change) {
            self.refuse(command, refusal);
        }
    }

    /// Whose password it is, if that can be said at once.
    fn judge(
        &self,
        command: CommandId,
        user: &[u8],
        password: Vec<u8>,
    ) -> Result<Verdict, Refusal> {
        if user == GUEST.as_bytes() && self.has_guest() {
            if password != GUEST.as_bytes() {
                return Err(login_failed(GUEST));
            }
            admit_guest(self.peer)?;
            return Ok(Verdict::Right(GUEST.into()));
        }
        // What can be no name or no password is nobody's: it takes the same way.
        let spelled = String::from_utf8_lossy(user);
        let name: Box<str> = match prepare(&spelled) {
            Ok(name) => name.into(),
            Err(_) => spelled.as_ref().into(),
        };
        let password = match String::from_utf8(password) {
            Ok(password) if password.len() <= PLAIN_BYTES_MAX => password,
            Ok(_) | Err(_) => String::new(),
        };
        let logins = &self.node.logins;
        if logins.is_remembered(&name, &password) {
            return Ok(Verdict::Right(name));
        }
        let check = Check {
            outbox: Arc::clone(&self.outbox),
            command,
            name,
            password,
        };
        logins.check(self.peer.address, check)?;
        Ok(Verdict::Later)
    }

    /// Who connects without saying who it is.
    fn present(&self) -> Result<(Box<str>, Role), Refusal> {
        if let Some(principal) = &self.principal {
            return Ok((principal.user.clone(), principal.role));
        }
        if self.is_operators {
            return Ok(("operator".into(), Role::Operator));
        }
        if !self.has_guest() {
            return Err(login_failed(""));
        }
        admit_guest(self.peer)?;
        Ok((GUEST.into(), Role::User))
    }

    fn has_guest(&self) -> bool {
        self.node.settings.guest && self.node.logins.users().get(GUEST).is_none()
    }

    /// Lets in who has shown who it is.
    fn admit(&mut self, command: CommandId, connect: Connect, user: Box<str>, role: Role) {
        tracing::debug!(
            connection = self.outbox.connection().0,
            user = %user,
            vhost = %String::from_utf8_lossy(&connect.vhost),
            "connected"
        );
        self.leave_user();
        if role == Role::User {
            self.node.present.enter(&user, &self.outbox);
            let is_guest = &*user == GUEST && self.has_guest();
            if !is_guest && self.node.logins.users().get(&user).is_none() {
                // It was deleted since it was shown.
                self.node.present.leave(&user, &self.outbox);
                self.principal = None;
                return self.fail_login(command, login_failed(&user));
            }
        }
        self.principal = Some(Box::new(Principal {
            user,
            vhost: connect.vhost,
            role,
        }));
        if let Some(identity) = connect.identity {
            self.node.identities.claim(&identity, &self.outbox);
            self.identity = Some(identity);
        }
        self.done(command);
    }

    /// Whose connection it is.
    pub(crate) fn user(&self) -> Box<str> {
        let user = self.principal.as_ref().map(|it| it.user.clone());
        user.unwrap_or_default()
    }

    /// The connection ends, or is another user's.
    pub(crate) fn leave_user(&self) {
        if let Some(principal) = &self.principal {
            self.node.present.leave(&principal.user, &self.outbox);
        }
    }

    /// It has been shown who is there; who is connected must stay the same.
    fn shown(&mut self, command: CommandId, user: Box<str>, data: Vec<u8>) {
        match &self.principal {
            None => self.set_showing(Showing::Shown(user.clone())),
            Some(principal) if principal.user == user => {}
            Some(_) => return self.fail_login(command, login_failed(&user)),
        }
        let shown = Authenticated { user, data };
        self.answer(command, Ok(Reply::Authenticated(Box::new(shown))));
    }

    fn set_showing(&mut self, showing: Showing) {
        self.showing = Some(Box::new(showing));
    }

    fn fail_login(&mut self, command: CommandId, refusal: Refusal) {
        self.set_showing(Showing::Failed);
        self.refuse(command, refusal);
    }
}

fn login_failed(user: &str) -> Refusal {
    Refusal::LoginFailed {
        user: user.to_owned(),
    }
}
