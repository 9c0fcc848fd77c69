//! Enhanced authentication: AUTH, and what CONNECT and CONNACK have of it. MQTT 5.0 §4.12

use super::ending::Ending;
use super::open::Open;
use super::{Link, put};
use crate::Version;
use crate::frame::{
    Auth, AuthReason, Binary, Connect, Packet, Property, PropertyList, Secret, Text,
};
use broker_api::{Authenticate, Authenticated, Command, Out, Refusal, Reply};
use model::CommandId;

/// The authentication of a client that has named a method in CONNECT.
#[derive(Debug)]
pub(super) struct Authentication {
    /// As CONNECT has it. [MQTT-4.12.0-5]
    method: Box<str>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The broker has not answered a step.
    Asked(CommandId),
    /// The client has not answered an AUTH.
    Challenged,
    /// It is over, until the client begins another.
    Over,
}

/// How far a step has led.
pub(super) enum Progress {
    /// The client has been sent an AUTH.
    Challenged,
    /// The client has shown who it is, and is to be sent this.
    Done(Vec<u8>),
}

impl Authentication {
    /// The one that a CONNECT asks for, if it does; what else it says waits for it.
    pub(super) fn begin(link: &mut Link, connect: &Connect<'_>, out: &mut Out) -> Option<Self> {
        let method = connect.properties.authentication_method()?;
        let data = connect.properties.authentication_data();
        let begin = begin(method, data);
        let command = link.barrier(out, Command::Authenticate(Box::new(begin)));
        Some(Self {
            method: method.as_str().into(),
            stage: Stage::Asked(command),
        })
    }

    /// Whether the broker has this to answer.
    pub(super) fn covers(&self, id: CommandId) -> bool {
        self.stage == Stage::Asked(id)
    }

    /// Whether the broker has anything to answer.
    pub(super) const fn is_asked(&self) -> bool {
        matches!(self.stage, Stage::Asked(_))
    }

    /// The client goes on before CONNACK; nothing else is read before the answer. [MQTT-4.12.0-3]
    pub(super) fn go_on(
        &mut self,
        link: &mut Link,
        auth: &Auth<'_>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        let next = self.next(auth)?;
        self.stage = Stage::Asked(link.barrier(out, next));
        Ok(())
    }

    /// What an AUTH of the client asks of the broker.
    fn next(&self, auth: &Auth<'_>) -> Result<Command, Ending> {
        let properties = &auth.properties;
        let method = properties
            .authentication_method()
            .filter(|method| method.as_str() == &*self.method)
            .ok_or(Ending::AuthOfAnotherMethod)?;
        let data = properties.authentication_data();
        let step = match (auth.reason, self.stage) {
            (AuthReason::ContinueAuthentication, Stage::Challenged) => Authenticate::Continue {
                data: data.map_or_else(Vec::new, |data| data.as_bytes().to_vec()),
            },
            // [MQTT-4.12.1-1]
            (AuthReason::ReAuthenticate, Stage::Over) => begin(method, data),
            (
                AuthReason::Success
                | AuthReason::ContinueAuthentication
                | AuthReason::ReAuthenticate,
                Stage::Asked(_) | Stage::Challenged | Stage::Over,
            ) => return Err(Ending::AuthOutOfOrder),
        };
        Ok(Command::Authenticate(Box::new(step)))
    }

    /// The broker has answered a step.
    pub(super) fn handle_done(
        &mut self,
        done: Result<Reply, Refusal>,
        (version, packet_bytes_max): (Version, usize),
        out: &mut Out,
    ) -> Result<Progress, Ending> {
        match done {
            Ok(Reply::Challenge(data)) => {
                self.stage = Stage::Challenged;
                // [MQTT-4.12.0-2]
                let reason = AuthReason::ContinueAuthentication;
                self.put((reason, &data), (version, packet_bytes_max), out)?;
                Ok(Progress::Challenged)
            }
            Ok(Reply::Authenticated(shown)) => {
                self.stage = Stage::Over;
                let Authenticated { data, .. } = *shown;
                Ok(Progress::Done(data))
            }
            // No other is an answer to it.
            Ok(
                Reply::Nothing
                | Reply::Queue(_)
                | Reply::Count(_)
                | Reply::Queues(_)
                | Reply::Exchanges(_)
                | Reply::Bindings(_)
                | Reply::Users(_)
                | Reply::Notes(_)
                | Reply::SettleWithin(_)
                | Reply::Got(_),
            ) => Err(Ending::Unexpected),
            Err(refusal) => Err(Ending::NotAuthenticated(refusal)),
        }
    }

    /// What CONNACK and AUTH say of it. [MQTT-4.12.0-5]
    pub(super) fn push(&self, data: &[u8], properties: &mut PropertyList) {
        if let Ok(method) = Text::new(&self.method) {
            properties.push(Property::AuthenticationMethod(method));
        }
        if !data.is_empty()
            && let Ok(data) = Binary::new(data)
        {
            properties.push(Property::AuthenticationData(Secret(data)));
        }
    }

    fn put(
        &self,
        (reason, data): (AuthReason, &[u8]),
        (version, packet_bytes_max): (Version, usize),
        out: &mut Out,
    ) -> Result<(), Ending> {
        let mut properties = PropertyList::new();
        self.push(data, &mut properties);
        let packet = Packet::Auth(Auth {
            reason,
            properties: properties.as_properties(),
        });
        // [MQTT-3.1.2-24]
        if packet.packet_len(version) > packet_bytes_max {
            return Err(Ending::AnswerTooLarge);
        }
        put(version, &packet, out);
        Ok(())
    }
}

impl Open {
    /// The client shows again who it is, while all else goes on as before. §4.12.1
    pub(super) fn handle_auth(
        &mut self,
        link: &mut Link,
        auth: &Auth<'_>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        // [MQTT-4.12.0-7]
        let Some(authentication) = &mut self.authentication else {
            return Err(Ending::AuthUnasked);
        };
        let next = authentication.next(auth)?;
        authentication.stage = Stage::Asked(link.submit(out, next));
        Ok(())
    }

    /// Whether the broker answers what the client shows again.
    pub(super) fn authenticates(&self, id: CommandId) -> bool {
        let authentication = self.authentication.as_ref();
        authentication.is_some_and(|it| it.covers(id))
    }

    pub(super) fn handle_authenticated(
        &mut self,
        done: Result<Reply, Refusal>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        let Some(authentication) = &mut self.authentication else {
            return Ok(());
        };
        let client = (self.version, self.packet_bytes_max);
        match authentication.handle_done(done, client, out)? {
            Progress::Challenged => Ok(()),
            Progress::Done(data) => authentication.put((AuthReason::Success, &data), client, out),
        }
    }
}

fn begin(method: Text<'_>, data: Option<Secret<'_>>) -> Authenticate {
    Authenticate::Begin {
        mechanism: method.as_bytes().into(),
        data: data.map(|data| data.as_bytes().to_vec()),
    }
}
