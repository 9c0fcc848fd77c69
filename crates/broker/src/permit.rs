//! Who may do what: the one place that every command passes.

use broker_api::{Command, Listing, Peer, Refusal};

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
pub(crate) fn permit(principal: Option<&Principal>, command: &Command) -> Result<(), Refusal> {
    let role = principal.map(|it| it.role);
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
        | Command::List(Listing::Queues | Listing::Exchanges | Listing::Bindings)
        | Command::Publish(..)
        | Command::Commit(_)
        | Command::Subscribe(_)
        | Command::Cancel(_)
        | Command::Grant(..)
        | Command::Settle(_)
        | Command::ShowRetained(_)
        | Command::QueueRetained(_) => match role {
            Some(Role::User | Role::Operator) => Ok(()),
            None => Err(Refusal::NotConnected),
        },
    }
}
