//! Who may be at the other end of a connection: users, and the passwords that wait to be checked.
//!
//! A password is hashed thousands of times before it can be compared, which is expensive on purpose: for who
//! guesses, and for us. So it is done by one thread beside the others ([`LoginWorker`]), one password at a time:
//! whoever shows many wrong ones has no more than that one thread, and takes no turns from connections.
//!
//! - Addresses take turns: one that shows many passwords waits for itself.
//! - What waits is bounded by the work that it is, for each address ([`ADDRESS_ITERATIONS_MAX`]) and together
//!   ([`WAITING_ITERATIONS_MAX`]); beyond that a login is refused as [`Refusal::Busy`].
//! - A password that was right is remembered, so that it is hashed once only ([`auth::Remembered`]).
//! - A user that is not there is checked against a decoy: it takes as long and ends as a wrong password does.

use crate::Node;
use crate::executor::Step;
use crate::outbox::Outbox;
use crate::present::Present;
use crate::settings::Settings;
use auth::{Remembered, UserChange, UserError, Users};
use broker_api::{Authenticated, Event, ListedUser, Refusal, Reply};
use model::CommandId;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;
use std::task::{Context, Waker};

/// What the passwords that wait are worth, in iterations of their hash: a few seconds of one core.
const WAITING_ITERATIONS_MAX: u64 = 8 << 20;

/// What those of one address are worth: one alone does not keep others out.
const ADDRESS_ITERATIONS_MAX: u64 = WAITING_ITERATIONS_MAX / 4;

/// Changes of users that wait at a time.
const CHANGES_MAX: usize = 64;

/// Keeps users for good, beside the broker.
pub trait UserKeeper: Send {
    /// Makes a change and returns all users as they are then. May wait for a disk.
    ///
    /// # Errors
    /// [`UserError`] when nothing is changed.
    fn change(&mut self, change: UserChange) -> Result<Users, UserError>;
}

/// The users, and what is to be done about them.
pub(crate) struct Logins {
    users: arc_swap::ArcSwap<Users>,
    remembered: Mutex<Remembered>,
    waiting: Mutex<Waiting>,
}

/// What the worker is to do.
#[derive(Default)]
struct Waiting {
    checks: BTreeMap<IpAddr, OfAddress>,
    /// What all of them are worth.
    iterations: u64,
    /// Whose turn it was last.
    last: Option<IpAddr>,
    changes: VecDeque<Change>,
    waker: Option<Waker>,
}

/// What waits of one address.
#[derive(Default)]
struct OfAddress {
    /// What all of them are worth.
    iterations: u64,
    /// Each with what it is worth.
    checks: VecDeque<(u64, Check)>,
}

/// A password to be checked.
pub(crate) struct Check {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) command: CommandId,
    /// As far as it can be a user's, prepared.
    pub(crate) name: Box<str>,
    pub(crate) password: String,
}

struct Change {
    outbox: Arc<Outbox>,
    command: CommandId,
    change: UserChange,
}

enum Work {
    Check(Check),
    Change(Change),
}

impl Logins {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            users: arc_swap::ArcSwap::from_pointee(settings.users.clone()),
            remembered: Mutex::new(Remembered::new(settings.entropy.draw())),
            waiting: Mutex::default(),
        }
    }

    pub(crate) fn users(&self) -> Arc<Users> {
        self.users.load_full()
    }

    pub(crate) fn listed(&self) -> Vec<ListedUser> {
        let users = self.users.load();
        let listed = users.iter().map(|(name, credentials)| ListedUser {
            name: name.into(),
            iterations: credentials.iterations(),
        });
        listed.collect()
    }

    /// Whether this password was right before.
    pub(crate) fn is_remembered(&self, name: &str, password: &str) -> bool {
        let users = self.users.load();
        users.get(name).is_some_and(|credentials| {
            let remembered = self.remembered.lock();
            remembered.is_password(name, credentials, password)
        })
    }

    /// Has a password checked. The answer comes by the outbox: that the command is authenticated, or that
    /// it has failed.
    pub(crate) fn check(&self, address: IpAddr, check: Check) -> Result<(), Refusal> {
        let worth = self.worth(&check.name);
        let mut waiting = self.waiting.lock();
        // One may be worth more.
        let is_over = |before: u64, max| before > 0 && before + worth > max;
        let theirs = waiting.checks.get(&address).map_or(0, |it| it.iterations);
        if is_over(waiting.iterations, WAITING_ITERATIONS_MAX)
            || is_over(theirs, ADDRESS_ITERATIONS_MAX)
        {
            return Err(Refusal::Busy);
        }
        waiting.iterations += worth;
        let theirs = waiting.checks.entry(address).or_default();
        theirs.iterations += worth;
        theirs.checks.push_back((worth, check));
        waiting.wake();
        Ok(())
    }

    /// Has a change of users made. The answer comes by the outbox.
    pub(crate) fn change(
        &self,
        outbox: &Arc<Outbox>,
        command: CommandId,
        change: UserChange,
    ) -> Result<(), Refusal> {
        let mut waiting = self.waiting.lock();
        if waiting.changes.len() >= CHANGES_MAX {
            return Err(Refusal::Busy);
        }
        waiting.changes.push_back(Change {
            outbox: Arc::clone(outbox),
            command,
            change,
        });
        waiting.wake();
        Ok(())
    }

    /// What the check of a password costs.
    fn worth(&self, name: &str) -> u64 {
        u64::from(self.users.load().or_decoy(name).iterations())
    }

    fn next(&self, cx: &Context<'_>) -> Option<Work> {
        let mut waiting = self.waiting.lock();
        if let Some(change) = waiting.changes.pop_front() {
            return Some(Work::Change(change));
        }
        let Some(check) = waiting.next_check() else {
            waiting.waker = Some(cx.waker().clone());
            return None;
        };
        Some(Work::Check(check))
    }

    fn carry_out(&self, check: Check) {
        let Check {
            outbox,
            command,
            name,
            password,
        } = check;
        if outbox.is_closed() {
            return;
        }
        let users = self.users.load_full();
        let credentials = users.or_decoy(&name);
        let is_right = credentials.is_password(&password) && users.get(&name).is_some();
        let done = if is_right {
            let mut remembered = self.remembered.lock();
            remembered.remember(&name, &credentials, &password);
            drop(remembered);
            Ok(Reply::Authenticated(Box::new(Authenticated {
                user: name,
                data: Vec::new(),
            })))
        } else {
            Err(Refusal::LoginFailed {
                user: name.into_string(),
            })
        };
        outbox.push(&mut vec![Event::Done(command, done)]);
    }

    fn keep(&self, change: Change, keeper: &mut dyn UserKeeper, present: &Present) {
        let done = match keeper.change(change.change) {
            Ok(users) => {
                let users = Arc::new(users);
                let before = self.users.swap(Arc::clone(&users));
                self.remembered.lock().clear();
                present.end_missing(&before, &users);
                Ok(Reply::Nothing)
            }
            Err(error) => Err(Refusal::Invalid(error.to_string())),
        };
        let event = Event::Done(change.command, done);
        change.outbox.push(&mut vec![event]);
    }
}

impl Waiting {
    fn wake(&mut self) {
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    /// The next password of the address behind the one whose turn it was last.
    fn next_check(&mut self) -> Option<Check> {
        let behind = match self.last {
            Some(last) => (Bound::Excluded(last), Bound::Unbounded),
            None => (Bound::Unbounded, Bound::Unbounded),
        };
        let after = self.checks.range(behind).next();
        let address = *after.or_else(|| self.checks.iter().next())?.0;
        let theirs = self.checks.get_mut(&address)?;
        let (worth, check) = theirs.checks.pop_front()?;
        theirs.iterations -= worth;
        if theirs.checks.is_empty() {
            self.checks.remove(&address);
        }
        self.iterations -= worth;
        self.last = Some(address);
        Some(check)
    }
}

/// Does what takes long at logins: checks passwords and changes users. There should be one for a broker, on a
/// thread that nothing else waits for.
pub struct LoginWorker {
    node: Arc<Node>,
}

impl LoginWorker {
    pub(crate) const fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    /// Does one thing. Idle, with the waker kept, if there is nothing to do.
    pub fn step(&mut self, keeper: &mut dyn UserKeeper, cx: &Context<'_>) -> Step {
        let logins = &self.node.logins;
        match logins.next(cx) {
            None => return Step::Idle,
            Some(Work::Check(check)) => logins.carry_out(check),
            Some(Work::Change(change)) => logins.keep(change, keeper, &self.node.present),
        }
        Step::Worked
    }
}
