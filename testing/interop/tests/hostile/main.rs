//! Peers that break the rules of their protocol: each gets the protocol's answer or a cut, the broker's memory stays
//! bounded, and its neighbor does not notice.

mod amqp;
mod mqtt;
mod stage;
mod stomp;
mod zmq;
