//! Connections and subscriptions of a run.

use std::net::SocketAddr;

use anyhow::Result;

use super::{names::filter, shape::Shape};
use crate::{
    connection::Connection,
    wire::{Acks, Protocol, Wire, mqtt, stomp},
};

/// Subscriptions that are asked for before the answers are read.
const SUBSCRIPTIONS_AT_ONCE: usize = 256;

/// Opens the connections that receive, with all subscriptions, and then those that publish.
///
/// # Errors
/// If the broker refuses one.
pub(super) fn open(shape: Shape, address: SocketAddr) -> Result<Vec<Connection>> {
    let wire = wire(shape);
    let receivers = shape.receivers();
    let mut connections = Vec::with_capacity(receivers + shape.publishers());
    for receiver in 0..receivers {
        crate::check_interrupted()?;
        let (mut connection, _) = Connection::open(address, wire)?;
        let own: Vec<_> = (receiver..shape.subscriptions())
            .step_by(receivers)
            .collect();
        for some in own.chunks(SUBSCRIPTIONS_AT_ONCE) {
            let requests = some
                .iter()
                .map(|subscription| request(shape, *subscription));
            connection.subscribe_all(&requests.collect::<Vec<_>>())?;
        }
        connection.go()?;
        connections.push(connection);
    }
    for _ in 0..shape.publishers() {
        crate::check_interrupted()?;
        let (mut connection, _) = Connection::open(address, wire)?;
        connection.go()?;
        connections.push(connection);
    }
    Ok(connections)
}

/// What all of a run speak.
pub(super) fn wire(shape: Shape) -> Wire {
    match shape.protocol {
        Protocol::Stomp => Wire::Stomp,
        Protocol::Mqtt => Wire::Mqtt,
        Protocol::Amqp => Wire::Amqp,
    }
}

fn request(shape: Shape, subscription: usize) -> Vec<u8> {
    let number = subscription % shape.destinations();
    let filter = filter(shape, number as u64);
    match shape.protocol {
        Protocol::Stomp => stomp::subscribe(&filter, subscription, shape.safety()),
        Protocol::Mqtt => mqtt::subscribe(&filter, subscription, shape.safety()),
        Protocol::Amqp => Wire::Amqp.subscribe(shape.target(), &filter, shape.safety(), Acks::Each),
    }
}
