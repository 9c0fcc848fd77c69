//! Connections and subscriptions of a run.

use std::net::SocketAddr;

use anyhow::Result;

use super::shape::Shape;
use crate::{
    connection::Connection,
    wire::{Target, Wire, stomp},
};

/// Subscriptions that are asked for before the answers are read.
const SUBSCRIPTIONS_AT_ONCE: usize = 256;

/// The name of a destination. All of a run are of one length.
pub(super) fn destination(target: Target, number: u64) -> String {
    Wire::Stomp.destination(target, &format!("scale.{number:05}"))
}

/// Opens the connections that receive, with all subscriptions, and then those that publish.
///
/// # Errors
/// If the broker refuses one.
pub(super) fn open(shape: Shape, address: SocketAddr) -> Result<Vec<Connection>> {
    let receivers = shape.receivers();
    let mut connections = Vec::with_capacity(receivers + shape.publishers());
    for receiver in 0..receivers {
        crate::check_interrupted()?;
        let (mut connection, _) = Connection::open(address, Wire::Stomp)?;
        let own: Vec<_> = (receiver..shape.subscriptions())
            .step_by(receivers)
            .collect();
        for some in own.chunks(SUBSCRIPTIONS_AT_ONCE) {
            let requests: Vec<u8> = some
                .iter()
                .flat_map(|subscription| request(shape, *subscription))
                .collect();
            connection.subscribe_all(&requests, some.len())?;
        }
        connection.go()?;
        connections.push(connection);
    }
    for _ in 0..shape.publishers() {
        crate::check_interrupted()?;
        let (mut connection, _) = Connection::open(address, Wire::Stomp)?;
        connection.go()?;
        connections.push(connection);
    }
    Ok(connections)
}

fn request(shape: Shape, subscription: usize) -> Vec<u8> {
    let number = subscription % shape.destinations();
    let destination = destination(shape.target(), number as u64);
    stomp::subscribe(&destination, subscription, shape.safety())
}
