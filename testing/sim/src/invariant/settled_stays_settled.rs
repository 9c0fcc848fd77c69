//! A message whose ACK was confirmed never comes again from there, nor does one that was confirmed to be
//! rejected; nor is it shown to who browses then.

use crate::history::History;

pub(super) fn check(history: &History) -> Result<(), String> {
    for (index, seen) in history.seen.iter().enumerate() {
        let settled = history.settled.get(&(seen.message, seen.place));
        if settled.is_some_and(|settled| *settled <= seen.since(index)) {
            return Err(format!(
                "{seen:?} came again after its confirmed settlement"
            ));
        }
    }
    match history.browsed.iter().find(|(_, was_settled)| *was_settled) {
        Some((seen, _)) => Err(format!("{seen:?} was shown after its confirmed settlement")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::history::{History, Name, Seen};
    use crate::scene::{Place, Source};
    use model::Instant;

    #[test]
    fn what_was_on_its_way_at_a_refusal_may_come_behind_a_settlement() {
        let message = Name {
            publisher: 0,
            number: 1,
        };
        let seen = |client, crossed| Seen {
            message,
            place: Place::At(Source::Queue(0)),
            stamp: None,
            client,
            redelivered: true,
            life: 0,
            at: Instant::default(),
            crossed,
        };
        let history = |crossed| History {
            seen: vec![seen(1, None), seen(2, crossed)],
            settled: [((message, seen(1, None).place), 1)].into(),
            ..History::default()
        };
        assert_eq!(check(&history(Some(0))), Ok(()));
        assert!(check(&history(Some(1))).is_err(), "it was settled before");
        assert!(check(&history(None)).is_err());
    }
}
