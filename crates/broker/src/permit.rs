//! Who may do what: the one place that every command passes.

use broker_api::{Command, Login, Peer, Refusal};

/// The only user there is, with its password; from this machine only.
const GUEST: &[u8] = b"guest";

/// Who is at the other end of a connection, once it has said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    /// The user's name.
    pub(crate) user: Vec<u8>,
    /// The namespace it is in. There is one, the default: a name that is no vhost means it.
    pub(crate) vhost: Vec<u8>,
}

/// Checks a login. Without one, the peer is the guest.
pub(crate) fn authenticate(
    login: Option<&Login>,
    peer: Peer,
    vhost: &[u8],
) -> Result<Principal, Refusal> {
    let user = login.map_or(GUEST, |login| login.user.as_slice());
    let name = || String::from_utf8_lossy(user).into_owned();
    let password = login.map_or(GUEST, |login| login.password.as_slice());
    if user != GUEST || password != GUEST {
        return Err(Refusal::LoginFailed { user: name() });
    }
    if !peer.address.to_canonical().is_loopback() {
        return Err(Refusal::LoopbackOnly { user: name() });
    }
    Ok(Principal {
        user: user.to_vec(),
        vhost: vhost.to_vec(),
    })
}

/// Whether a connection's principal may carry out the command. The guest may do everything.
pub(crate) fn permit(principal: Option<&Principal>, command: &Command) -> Result<(), Refusal> {
    match (principal, command) {
        (Some(_), _) | (None, Command::Connect(_)) => Ok(()),
        (None, _) => Err(Refusal::NotConnected),
    }
}
