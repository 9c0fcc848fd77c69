//! Of a transaction's messages all arrive or none does: all if the receipt of its COMMIT came, none if it
//! was not committed. What it settled is settled if they do.
//!
//! That what it settled comes again if they do not is a part of `unsettled_comes_again`.

use crate::history::{Effect, Fate, History, Name, Spot, Transaction};
use crate::scene::Place;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(history: &History) -> Result<(), String> {
    let arrivals = history.arrivals();
    let mut last = BTreeMap::new();
    for (index, seen) in history.seen.iter().enumerate() {
        let last = last.entry((seen.message, seen.place)).or_insert(0);
        *last = seen.since(index).max(*last);
    }
    for (name, transaction) in &history.transactions {
        messages(history, *name, transaction, &arrivals)?;
        let Effect::Taken(asked) = history.effect(transaction, &arrivals) else {
            continue;
        };
        for settled in transaction.acked.iter().chain(&transaction.rejected) {
            if last.get(settled).is_some_and(|index| *index >= asked) {
                return Err(format!(
                    "{settled:?} came again after {name:?} was committed"
                ));
            }
        }
        for (message, place) in &transaction.acked {
            if let Place::At(source) = place
                && arrivals.contains(&(*message, Place::Dead(*source)))
            {
                return Err(format!("{message:?} was accepted in {name:?} and is dead"));
            }
        }
    }
    Ok(())
}

fn messages(
    history: &History,
    name: Name,
    transaction: &Transaction,
    arrivals: &BTreeSet<Spot>,
) -> Result<(), String> {
    let (mut there, mut missing) = (None, None);
    for message in &transaction.messages {
        let sent = &history.sent[message];
        for to in &sent.to {
            let places = [Place::At(*to), Place::Dead(*to)];
            if places
                .into_iter()
                .any(|place| arrivals.contains(&(*message, place)))
            {
                there = Some((message, to));
            } else if history.must_arrive(sent, *to) {
                missing = Some((message, to));
            }
        }
    }
    let fate = transaction.fate;
    match (fate, there, missing) {
        (Fate::Open | Fate::Aborted, Some(there), _) => {
            Err(format!("{name:?} is {fate:?} and {there:?} arrived"))
        }
        (Fate::Asked(_), Some(there), Some(missing)) => Err(format!(
            "of {name:?}, {there:?} arrived and {missing:?} did not"
        )),
        (Fate::Confirmed(_), _, Some(missing)) => Err(format!(
            "{name:?} was confirmed and {missing:?} did not arrive"
        )),
        (Fate::Open | Fate::Aborted, None, _)
        | (Fate::Asked(_), None, _)
        | (Fate::Asked(_) | Fate::Confirmed(_), _, None) => Ok(()),
    }
}
