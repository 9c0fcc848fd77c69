//! What an operator has clients told.

/// What an operator has clients of 5.0 told, where the protocol has a place for it. All is empty at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The Response Information of CONNACK, for clients that ask for it: what their response topics begin with.
    /// `%c` stands for the client identifier. Not told if it is empty.
    pub response_information: Box<str>,
    /// The Server Reference of CONNACK and DISCONNECT while the broker stops: where clients should go. Not told if
    /// it is empty.
    pub server_reference: Box<str>,
    /// Whether they should stay there; else they may come back.
    pub has_moved: bool,
}

impl Told {
    /// The Response Information for a client.
    pub(crate) fn response_information(&self, client_id: &str) -> Option<String> {
        let text = &self.response_information;
        (!text.is_empty()).then(|| text.replace("%c", client_id))
    }
}
