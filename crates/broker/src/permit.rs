//! Who may do what: the one place that every command passes.

use crate::head::Head;
use crate::settings::Settings;
use broker_api::{Command, Listing, Peer, Refusal};
use model::Message;

/// The exchange of topics.
const TOPICS: &[u8] = b"amq.topic";

/// The user that there is without any being made, and its password; from this machine only.
pub(crate) const GUEST: &str = "guest";

/// Who is at the other end of a connection, once it has said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The user's name.
    pub(crate) user: Box<str>,
    /// The namespace it is in. There is one, the default: a name that is no vhost means it.
    pub(crate) vhost: Vec<u8>,
    /// Whether it may change what concerns others.
    pub(crate) role: Role,
}

/// What kind of user a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It may do what concerns messages.
    User,
    /// It runs the broker: it may do everything.
    Operator,
}

/// Whether the guest may connect from there.
pub(crate) fn admit_guest(peer: Peer) -> Result<(), Refusal> {
    if peer.address.to_canonical().is_loopback() {
        return Ok(());
    }
    Err(Refusal::LoopbackOnly {
        user: GUEST.to_owned(),
    })
}

/// Whether a connection's principal may carry out the command. Users may do everything but what is for
/// operators.
pub(crate) fn permit(
    principal: Option<&Principal>,
    command: &Command,
    settings: &Settings,
) -> Result<(), Refusal> {
    let role = principal.map(|it| it.role);
    let connected = role.ok_or(Refusal::NotConnected);
    match command {
        Command::Connect(_) | Command::Authenticate(_) => Ok(()),
        Command::PutUser(_) | Command::DeleteUser(_) | Command::List(Listing::Users) => {
            match role {
                Some(Role::Operator) => Ok(()),
                Some(Role::User) => Err(Refusal::AccessRefused(
                    "only an operator may see and change users".to_owned(),
                )),
                None => Err(Refusal::NotConnected),
            }
        }
        Command::DeclareQueue(_)
        | Command::DeleteQueue(_)
        | Command::PurgeQueue(_)
        | Command::DeclareExchange(_)
        | Command::DeleteExchange(_)
        | Command::Bind(_)
        | Command::Unbind(_)
        | Command::Keep(_)
        | Command::LetGo(_)
        | Command::List(Listing::Queues | Listing::Exchanges | Listing::Bindings)
        | Command::Subscribe(_)
        | Command::Get(_)
        | Command::Cancel(_)
        | Command::StepAside(_)
        | Command::Grant(..)
        | Command::Settle(_)
        | Command::Note(_)
        | Command::Recall(_)
        | Command::ShowRetained(_)
        | Command::QueueRetained(_) => connected.map(drop),
        Command::Publish(message, _) => permit_publish(principal, message, settings),
        Command::Commit(transaction) => connected.and_then(|_| {
            let mut publishes = transaction.publishes.iter();
            publishes.try_for_each(|message| permit_publish(principal, message, settings))
        }),
        Command::Bequeath(bequest) => connected.and_then(|_| {
            let mut will = bequest.will.iter();
            will.try_for_each(|will| permit_publish(principal, &will.message, settings))
        }),
    }
}

/// Whether a connection's principal may publish the message.
#[inline]
pub(crate) fn permit_publish(
    principal: Option<&Principal>,
    message: &Message,
    settings: &Settings,
) -> Result<(), Refusal> {
    let Some(principal) = principal else {
        return Err(Refusal::NotConnected);
    };
    if principal.role == Role::Operator || !goes_to_own_topic(message, settings) {
        return Ok(());
    }
    let level = String::from_utf8_lossy(&settings.own_topics).into_owned();
    Err(Refusal::AccessRefused(format!(
        "only the broker itself publishes to topics that begin with '{level}'"
    )))
}

/// Whether a message goes to a topic of the broker's own, by whichever of its keys.
#[inline]
fn goes_to_own_topic(message: &Message, settings: &Settings) -> bool {
    if message.envelope().head_routes && message.exchange() == TOPICS {
        let keys = Head::of(settings.heads, message).keys();
        return keys.iter().any(|key| is_below(key, &settings.own_topics));
    }
    is_own_topic(message, &settings.own_topics)
}

/// Whether a message's own key is a topic with this first level.
#[inline]
pub(crate) fn is_own_topic(message: &Message, level: &[u8]) -> bool {
    message.exchange() == TOPICS && is_below(message.key(), level)
}

/// Whether a key begins with this level.
#[inline]
fn is_below(key: &[u8], level: &[u8]) -> bool {
    let behind = key.strip_prefix(level).filter(|_| !level.is_empty());
    behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(b"."))
}
