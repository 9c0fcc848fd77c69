//! Subscriptions to exchanges with a queue of their own: durable ones, and those that ask something of
//! their queue.
//!
//! 1. The queue is declared: under the name asked for, under one made of the subscription if it is
//!    durable, else under one that the broker makes up.
//! 2. It is bound to the exchange.
//! 3. It is subscribed to.
//!
//! Each step is answered before the next; meanwhile the SUBSCRIBE is kept and read again.

use super::Link;
use super::awaited::Purpose;
use super::open::{Open, receipt_of};
use super::send::queue_name;
use crate::frame::{Frame, HeaderName};
use crate::translate::{KeyReading, Wish, percent_encode};
use crate::violation::Violation;
use broker_api::{
    Bind, BindTo, Command, DeclareQueue, DeleteIf, DeleteQueue, IfExists, IfMissing, Out,
};
use model::{Arguments, BindingKey, ExchangeName, QueueName};
use sha2::{Digest, Sha256};

/// How the names of the queues of durable subscriptions begin.
const NAME_PREFIX: &[u8] = b"stomp-subscription-";

/// What a subscription to an exchange reads.
#[derive(Clone, Debug)]
pub(super) struct Interest<'a> {
    /// Which of the SUBSCRIBE's destinations it is.
    pub(super) at: usize,
    pub(super) exchange: ExchangeName,
    /// The key as it was written.
    pub(super) text: &'a [u8],
    pub(super) reading: KeyReading,
}

impl Interest<'_> {
    pub(super) fn key(&self) -> BindingKey {
        self.reading.binding_key(self.text)
    }
}

impl Open {
    /// The subscription's own queue, once it is there and bound; none if the broker had to be asked and
    /// the frame must be read again.
    pub(super) fn prepare_own_queue(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        wish: &Wish,
        interest: &Interest<'_>,
        out: &mut Out,
    ) -> Result<Option<QueueName>, Violation> {
        let at = interest.at;
        let receipt = receipt_of(frame);
        let Some(queue) = self.own_queues.iter().find(|queue| queue.at == at) else {
            let declare = self.own_declaration(frame, wish, interest)?;
            let command = Command::DeclareQueue(Box::new(declare));
            self.barrier(link, out, command, Purpose::OwnQueue(at), receipt);
            return Ok(None);
        };
        if queue.is_bound {
            return Ok(Some(queue.name.clone()));
        }
        let command = Command::Bind(Box::new(Bind {
            source: interest.exchange.clone(),
            destination: BindTo::Queue(queue.name.clone()),
            key: interest.key(),
            arguments: Arguments::default(),
        }));
        self.barrier(link, out, command, Purpose::Bind(at), receipt);
        Ok(None)
    }

    /// A queue that could not be bound is ended, or nobody might ever: if it has the name of a durable
    /// subscription, and nobody uses it and nothing is in it. One whose name was asked for may be
    /// somebody's; others end with the connection.
    pub(super) fn discard_own_queue(&mut self, link: &mut Link, at: usize, out: &mut Out) {
        let Some(place) = self.own_queues.iter().position(|queue| queue.at == at) else {
            return;
        };
        let name = self.own_queues.swap_remove(place).name;
        if name.as_bytes().starts_with(NAME_PREFIX) {
            let condition = DeleteIf {
                unused: true,
                empty: true,
            };
            let delete = DeleteQueue { name, condition };
            self.submit(link, out, Command::DeleteQueue(delete));
        }
    }

    fn own_declaration(
        &self,
        frame: &Frame<'_>,
        wish: &Wish,
        interest: &Interest<'_>,
    ) -> Result<DeclareQueue, Violation> {
        let name = match &wish.queue_name {
            Some(name) => Some(name.clone()),
            None if wish.is_durable() => Some(self.durable_name(frame, wish, interest)?),
            None => None,
        };
        Ok(DeclareQueue {
            name,
            definition: wish.queue.definition(wish.is_durable()),
            if_exists: IfExists::MustEqual,
            if_missing: IfMissing::Create,
        })
    }

    /// The same after each reconnect: made of the subscription's id, or of ActiveMQ's name with the
    /// client's, and of what it reads.
    fn durable_name(
        &self,
        frame: &Frame<'_>,
        wish: &Wish,
        interest: &Interest<'_>,
    ) -> Result<QueueName, Violation> {
        let mut name = NAME_PREFIX.to_vec();
        match (&wish.subscription_name, frame.value(HeaderName::Id)) {
            (Some(subscription), _) => {
                percent_encode(&self.client_id, b"@/", &mut name);
                name.push(b'/');
                percent_encode(subscription, b"@/", &mut name);
            }
            (None, Some(id)) => percent_encode(&id, b"@/", &mut name),
            (None, None) => {
                return Err(Violation::MissingHeader {
                    command: frame.command,
                    header: "id",
                });
            }
        }
        name.push(b'@');
        percent_encode(interest.exchange.as_bytes(), b"/>", &mut name);
        // The same text asks for different things in the two ways to spell patterns.
        name.push(match interest.reading {
            KeyReading::Hash | KeyReading::AsExchange => b'/',
            KeyReading::Arrow => b'>',
        });
        percent_encode(interest.text, &[], &mut name);
        queue_name(&shortened(name))
    }
}

/// The name itself, or if it is longer than a queue's may be, its hash.
fn shortened(name: Vec<u8>) -> Vec<u8> {
    if name.len() <= QueueName::BYTES_MAX {
        return name;
    }
    let mut short = NAME_PREFIX.to_vec();
    short.extend_from_slice(b"sha256-");
    for octet in Sha256::digest(&name) {
        short.extend_from_slice(format!("{octet:02x}").as_bytes());
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_hashed() {
        assert_eq!(shortened(b"short".to_vec()), b"short");
        let long = vec![b'x'; 256];
        assert_eq!(
            String::from_utf8_lossy(&shortened(long)),
            "stomp-subscription-sha256-\
             85e62acd750c4eb56b7b6a1d66dca5bfaac5f062608a1a893410d0288936c09a"
        );
    }
}
