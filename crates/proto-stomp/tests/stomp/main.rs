//! The session against a scripted broker, in virtual time.

mod arbitrary;
mod connect;
mod golden;
mod heart_beat;
mod scripted_broker;
mod send;
mod settle;
mod split;
mod subscribe;
