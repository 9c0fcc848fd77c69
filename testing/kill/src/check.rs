//! Holds a history against what the broker promises.

use crate::history::{Ack, Delivery, History, Id};
use anyhow::{Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// How far ahead of its deliveries a queue may note that messages were delivered.
const MARK_AHEAD_MAX: usize = 4096;

/// Checks every promise.
///
/// # Errors
/// When one is broken; the text names the promise and the message.
pub fn check(history: &History) -> Result<()> {
    nothing_comes_from_nowhere(history)?;
    no_confirmed_message_lost(history)?;
    no_confirmed_ack_forgotten(history)?;
    delivered_again_only_when_marked(history)?;
    order_per_publisher(history)?;
    marked_only_if_maybe_delivered(history)?;
    unsettled_comes_again(history)
}

fn nothing_comes_from_nowhere(history: &History) -> Result<()> {
    for Delivery { id, .. } in &history.deliveries {
        ensure!(
            history.publications.contains_key(id),
            "{id} was delivered but never published"
        );
    }
    Ok(())
}

fn no_confirmed_message_lost(history: &History) -> Result<()> {
    let delivered: BTreeSet<Id> = history
        .deliveries
        .iter()
        .map(|delivery| delivery.id)
        .collect();
    let promised = history
        .publications
        .iter()
        .filter(|(_, publication)| publication.is_persistent && publication.is_confirmed);
    let lost: Vec<_> = promised.filter(|(id, _)| !delivered.contains(id)).collect();
    if let Some((id, _)) = lost.first() {
        bail!(
            "{} confirmed persistent messages are lost, the first is {id}",
            lost.len()
        );
    }
    Ok(())
}

/// The last life drains all queues: what nobody has acknowledged before comes in it.
fn unsettled_comes_again(history: &History) -> Result<()> {
    let settled_or_drained: BTreeSet<Id> = history
        .deliveries
        .iter()
        .filter(|delivery| delivery.ack != Ack::None || delivery.life == history.lives)
        .map(|delivery| delivery.id)
        .collect();
    for (id, publication) in &history.publications {
        ensure!(
            !publication.is_persistent
                || !publication.is_confirmed
                || settled_or_drained.contains(id),
            "{id} was delivered, never acknowledged, and is gone"
        );
    }
    Ok(())
}

fn no_confirmed_ack_forgotten(history: &History) -> Result<()> {
    let mut settled = BTreeMap::new();
    for delivery in &history.deliveries {
        if delivery.ack == Ack::Confirmed {
            settled.insert(delivery.id, delivery.life);
        }
    }
    for Delivery { id, life, .. } in &history.deliveries {
        let settled = settled.get(id);
        ensure!(
            settled.is_none_or(|settled| life <= settled),
            "{id} came again in life {life} though its ack was confirmed in life {settled:?}"
        );
    }
    Ok(())
}

fn delivered_again_only_when_marked(history: &History) -> Result<()> {
    // Lives come one after the other in the history.
    let mut last_life = BTreeMap::new();
    for Delivery {
        id,
        life,
        redelivered,
        ..
    } in &history.deliveries
    {
        if let Some(before) = last_life.insert(*id, *life) {
            ensure!(
                before < *life,
                "{id} was delivered twice in life {life}, nobody released it"
            );
            ensure!(
                *redelivered,
                "{id} came again in life {life} without being marked"
            );
        }
    }
    Ok(())
}

fn order_per_publisher(history: &History) -> Result<()> {
    let mut last_number = BTreeMap::new();
    for Delivery {
        id,
        life,
        redelivered,
        subscription,
        ..
    } in &history.deliveries
    {
        // The only subscription of a queue sees all of it in order; where others hold some, what
        // was released to them meanwhile is aside.
        if *redelivered && *life < history.lives {
            continue;
        }
        let stream = (*subscription, id.queue, id.publisher);
        let before = last_number.insert(stream, id.number).unwrap_or(0);
        ensure!(
            before < id.number,
            "{id} came behind number {before} in life {life}"
        );
    }
    Ok(())
}

/// Only for queues with one publisher: there, its numbers are the order of the queue.
fn marked_only_if_maybe_delivered(history: &History) -> Result<()> {
    for (queue, of) in (0..).zip(&history.queues).skip(1) {
        let mine = || {
            history
                .deliveries
                .iter()
                .filter(move |delivery| delivery.id.queue == queue)
        };
        let before = mine().filter(|delivery| delivery.life < history.lives);
        let last_seen = before.map(|delivery| delivery.id.number).max().unwrap_or(0);
        let allowed = of
            .in_flight_max
            .map_or(0, |in_flight| in_flight + MARK_AHEAD_MAX);
        let drained = mine().filter(|delivery| delivery.life == history.lives);
        for Delivery { id, .. } in drained.filter(|delivery| delivery.redelivered) {
            // Messages that never arrived took no place; confirmed ones did.
            let first = Id {
                number: last_seen + 1,
                ..*id
            };
            let between = history.publications.range(first.min(*id)..=*id);
            let places = between
                .filter(|(_, publication)| publication.is_confirmed)
                .count();
            ensure!(
                id.number <= last_seen || places <= allowed && of.in_flight_max.is_some(),
                "{id} is marked as delivered before, but is {places} places behind {last_seen}, \
                 the last that was; the mark may be {allowed} ahead"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
