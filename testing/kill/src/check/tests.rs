use super::*;
use crate::history::{Publication, Queue};

const OWN: u16 = 1;

/// One publisher with `count` confirmed persistent messages in its own queue, one life.
fn history(count: u32) -> History {
    let publications = (1..=count).map(|number| {
        let publication = Publication {
            is_persistent: true,
            is_confirmed: true,
        };
        (id(number), publication)
    });
    History {
        publications: publications.collect(),
        deliveries: Vec::new(),
        queues: vec![
            Queue {
                in_flight_max: Some(20),
            },
            Queue {
                in_flight_max: Some(10),
            },
        ],
        lives: 1,
        subscriptions: 0,
    }
}

fn id(number: u32) -> Id {
    Id {
        queue: OWN,
        publisher: 0,
        number,
    }
}

fn before(number: u32, ack: Ack) -> Delivery {
    Delivery {
        id: id(number),
        redelivered: false,
        life: 0,
        subscription: 0,
        ack,
    }
}

fn after(number: u32, redelivered: bool) -> Delivery {
    Delivery {
        id: id(number),
        redelivered,
        life: 1,
        subscription: 1,
        ack: Ack::Sent,
    }
}

/// Checks 3 messages with these deliveries; expects an error with `broken` in its text, or none.
fn expect(deliveries: &[Delivery], broken: Option<&str>) {
    let history = History {
        deliveries: deliveries.to_vec(),
        ..history(3)
    };
    match (check(&history), broken) {
        (Ok(()), None) => {}
        (Err(error), Some(text)) if error.to_string().contains(text) => {}
        (found, _) => panic!("{found:?} instead of {broken:?} for {deliveries:?}"),
    }
}

#[test]
fn histories_are_judged() {
    let (acked, sent, none) = (Ack::Confirmed, Ack::Sent, Ack::None);
    // Settled, settled without receipt, not delivered.
    expect(&[before(1, acked), before(2, sent), after(3, false)], None);
    expect(
        &[
            before(1, acked),
            before(2, sent),
            after(2, true),
            after(3, true),
        ],
        None,
    );
    expect(
        &[before(1, acked), after(2, false)],
        Some("1 confirmed persistent messages are lost"),
    );
    expect(
        &[
            before(1, acked),
            after(1, true),
            after(2, false),
            after(3, false),
        ],
        Some("ack was"),
    );
    expect(
        &[
            before(1, none),
            after(1, false),
            after(2, false),
            after(3, false),
        ],
        Some("marked"),
    );
    expect(
        &[after(1, false), after(3, false), after(2, false)],
        Some("behind number 3"),
    );
    expect(
        &[before(2, none), before(1, none), after(3, false)],
        Some("behind number 2"),
    );
    expect(&[before(1, none), before(1, none)], Some("lost"));
    let all_twice = [
        before(1, none),
        before(1, none),
        before(2, none),
        before(3, none),
    ];
    expect(&all_twice, Some("twice in life 0"));
    expect(&[after(4, false)], Some("never published"));
    expect(
        &[before(1, none), after(2, false), after(3, false)],
        Some("1.0.1 was delivered, never acknowledged"),
    );
}

#[test]
fn transient_and_unconfirmed_messages_may_be_lost() {
    let mut history = history(2);
    history.publications.insert(
        id(1),
        Publication {
            is_persistent: false,
            is_confirmed: true,
        },
    );
    history.publications.insert(
        id(2),
        Publication {
            is_persistent: true,
            is_confirmed: false,
        },
    );
    check(&history).unwrap();
}

#[test]
fn the_mark_runs_ahead_by_so_much_and_no_more() {
    for (last_marked, is_allowed) in [(1, true), (4111, true), (4112, false)] {
        let mut history = history(6000);
        history
            .deliveries
            .extend((1..=5).map(|number| before(number, Ack::Confirmed)));
        let rest = 6..=6000;
        history
            .deliveries
            .extend(rest.map(|number| after(number, number <= last_marked)));
        assert_eq!(
            check(&history).is_ok(),
            is_allowed,
            "marked to {last_marked}"
        );
    }
    let mut history = history(1);
    history.queues[usize::from(OWN)].in_flight_max = None;
    history.deliveries.push(after(1, true));
    assert!(
        check(&history).is_err(),
        "marked though there was no subscription"
    );
}
