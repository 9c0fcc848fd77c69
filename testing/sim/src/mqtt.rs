//! Sessions of MQTT that outlive their connections and the broker's lives, from a seed.
//!
//! Clients that keep to the specification publish, subscribe, are cut off, come again, and come a second time while the
//! broker still serves the first; the broker crashes between steps and within writes. Then all faults end, everything
//! that is under way comes to its end, and what each client was given is compared with what was published.
//!
//! Read first: [`run`], then [`Client`] (a client), [`check`](self) (what must hold).

mod check;
mod client;
mod packets;
mod run;

pub use client::{Bequest, Client, Fault, Got, Habits, Sent, Subscribed, WillFate};
pub use run::{Report, run};
