//! In whose hands messages are, as the clients see it.

use crate::history::{Event, History, Spot};
use std::collections::BTreeMap;

/// Why a message must not be delivered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// This client has it.
    Held(u32),
    /// This client has settled it in this life of the broker, and stayed.
    Settled(u32),
}

/// Finds the first delivery of `places` that conflicts with what clients have in their hands or have settled.
pub(super) fn conflict(
    history: &History,
    is_meant: impl Fn(Spot) -> bool,
    is_wrong: impl Fn(Conflict) -> bool,
) -> Result<(), String> {
    let mut held: BTreeMap<Spot, u32> = BTreeMap::new();
    let mut settled: BTreeMap<Spot, u32> = BTreeMap::new();
    for event in &history.events {
        match *event {
            Event::Got(spot, client) | Event::GotForGood(spot, client) => {
                let by = held.get(&spot).copied().map(Conflict::Held);
                let found = by.or_else(|| settled.get(&spot).copied().map(Conflict::Settled));
                if let Some(conflict) = found
                    && is_meant(spot)
                    && is_wrong(conflict)
                {
                    return Err(told(history, spot, client, conflict));
                }
                if matches!(event, Event::Got(..)) {
                    held.insert(spot, client);
                    settled.remove(&spot);
                } else {
                    settled.insert(spot, client);
                }
            }
            Event::Settled(spot, client) => {
                held.remove(&spot);
                settled.insert(spot, client);
            }
            Event::Returned(spot, _) => {
                held.remove(&spot);
            }
            Event::Left(client) => {
                held.retain(|_, by| *by != client);
                settled.retain(|_, by| *by != client);
            }
            Event::Restart => {
                held.clear();
                settled.clear();
            }
        }
    }
    Ok(())
}

/// What is wrong, with all that has happened to the message there.
fn told(history: &History, spot: Spot, client: u32, conflict: Conflict) -> String {
    let is_about = |event: &&Event| match **event {
        Event::Got(of, _)
        | Event::GotForGood(of, _)
        | Event::Settled(of, _)
        | Event::Returned(of, _) => of == spot,
        Event::Left(_) | Event::Restart => false,
    };
    let events: Vec<_> = history.events.iter().filter(is_about).collect();
    format!("{spot:?} came to {client} and is {conflict:?}: {events:?}")
}
