//! What must hold when everything has come to its end.

use super::client::{Client, Fault, Got, SHARED, Sent, WillFate};
use proto_mqtt::Qos;
use std::collections::{BTreeMap, BTreeSet};

/// The clients of a run, by name.
pub(super) type Clients = BTreeMap<String, Client>;

/// Where wills go.
const WILLS: &str = "will/";

/// Where what is shared goes.
const GROUP: &str = "g/";

/// Whether a filter of this simulation lets a topic through: its last level may be a wildcard.
fn lets_through(filter: &str, topic: &str) -> bool {
    let filter = filter.strip_prefix(SHARED).unwrap_or(filter);
    match filter.strip_suffix('+') {
        Some(begin) => topic
            .strip_prefix(begin)
            .is_some_and(|rest| !rest.contains('/')),
        None => filter == topic,
    }
}

/// What a payload says: who published it and its number.
fn name(payload: &str) -> Option<(&str, usize)> {
    let (client, number) = payload.split_once(' ')?;
    Some((client, number.parse().ok()?))
}

fn find<'a>(clients: &'a Clients, got: &Got) -> Option<(&'a str, usize, &'a Sent)> {
    let (publisher, number) = name(&got.payload)?;
    let (publisher, client) = clients.get_key_value(publisher)?;
    let sent = client.sent.get(number)?;
    (sent.topic == got.topic).then_some((publisher.as_str(), number, sent))
}

/// Checks all of it.
pub(super) fn all(clients: &Clients) -> Result<(), Fault> {
    for client in clients.values() {
        nothing_invented(clients, client)?;
        nothing_twice(clients, client)?;
        in_order(clients, client)?;
        nothing_lost(clients, client)?;
        wills(clients, client)?;
    }
    groups(clients)
}

/// What several share comes to one of them at least, from the moment on at which it was granted to the first; with the lowest
/// quality, to one at most.
fn groups(clients: &Clients) -> Result<(), Fault> {
    let all = clients.values().flat_map(|client| &client.subscribed);
    let shared = all.filter(|subscribed| subscribed.is_shared());
    let Some(granted_at) = shared.filter_map(|it| it.granted_at).min() else {
        return Ok(());
    };
    for (publisher, client) in clients {
        let sent = client.sent.iter().enumerate();
        for (number, sent) in sent.filter(|(_, sent)| sent.topic.starts_with(GROUP)) {
            let payload = format!("{publisher} {number}");
            let got = clients.values().flat_map(|client| &client.got);
            let is_it = |got: &&Got| got.topic == sent.topic && got.payload == payload;
            let count = got.filter(is_it).count();
            let is_right = match sent.qos {
                Qos::AtMostOnce => count <= 1,
                Qos::AtLeastOnce | Qos::ExactlyOnce => count > 0 || sent.at <= granted_at,
            };
            if !is_right {
                return Err(format!(
                    "{payload} {sent:?} came {count} times to the group, granted at {granted_at}"
                ));
            }
        }
    }
    Ok(())
}

fn nothing_invented(clients: &Clients, client: &Client) -> Result<(), Fault> {
    for got in &client.got {
        let is_wanted = |filter: &str| lets_through(filter, &got.topic);
        let is_known = got.topic.starts_with(WILLS) || find(clients, got).is_some();
        if !is_known || !client.subscribed.iter().any(|it| is_wanted(&it.filter)) {
            return Err(format!("{} was given {got:?}", client.name));
        }
    }
    Ok(())
}

/// What comes with the highest quality, and never came with a lower one, comes once, live.
fn nothing_twice(clients: &Clients, client: &Client) -> Result<(), Fault> {
    let mut counts = BTreeMap::<(&str, usize), u32>::new();
    let at_least_once = client.got.iter().filter(|got| got.qos == Qos::AtLeastOnce);
    let at_least_once: BTreeSet<_> = at_least_once.map(|got| got.payload.as_str()).collect();
    for got in client.got.iter().filter(|got| !got.is_shown) {
        let Some((publisher, number, sent)) = find(clients, got) else {
            continue;
        };
        let is_once = sent.qos != Qos::AtLeastOnce && !at_least_once.contains(&*got.payload);
        if got.qos > sent.qos {
            return Err(format!("{} was given {got:?} of {sent:?}", client.name));
        }
        let count = counts.entry((publisher, number)).or_default();
        *count += 1;
        if is_once && *count > 1 {
            return Err(format!("{} was given {got:?} twice", client.name));
        }
    }
    Ok(())
}

/// What one publishes to one topic with one quality comes in that order, the first time that it comes. What was sent
/// before may be sent again later, and come then first.
fn in_order(clients: &Clients, client: &Client) -> Result<(), Fault> {
    let mut last = BTreeMap::<(&str, &str, Qos), usize>::new();
    let mut seen = BTreeSet::new();
    for got in client.got.iter().filter(|got| !got.is_shown) {
        let Some((publisher, number, sent)) = find(clients, got) else {
            continue;
        };
        if sent.topic.starts_with(GROUP) {
            continue;
        }
        let subscribed = client.subscribed.iter();
        let mut matching = subscribed.filter(|it| lets_through(&it.filter, &sent.topic));
        let is_later = matching.all(|it| it.granted_at.is_some_and(|at| sent.at > at));
        if !is_later || !seen.insert((publisher, number)) {
            continue;
        }
        let last = last.entry((publisher, &sent.topic, sent.qos)).or_default();
        if number < *last {
            return Err(format!(
                "{} was given {got:?} behind number {last}",
                client.name
            ));
        }
        *last = number;
    }
    Ok(())
}

/// What was sent after a subscription was granted comes, whatever has happened.
fn nothing_lost(clients: &Clients, client: &Client) -> Result<(), Fault> {
    for subscribed in client.subscribed.iter().filter(|it| !it.is_shared()) {
        let Some(granted_at) = subscribed.granted_at else {
            continue;
        };
        for (publisher, other) in clients {
            let sent = other.sent.iter().enumerate();
            let due = sent.filter(|(_, sent)| {
                lets_through(&subscribed.filter, &sent.topic)
                    && sent.at > granted_at
                    && sent.qos.min(subscribed.qos) > Qos::AtMostOnce
            });
            for (number, sent) in due {
                let payload = format!("{publisher} {number}");
                if !client
                    .got
                    .iter()
                    .any(|got| got.payload == payload && !got.is_shown)
                {
                    let name = &client.name;
                    return Err(format!(
                        "{name} was not given {payload} {sent:?}, granted at {granted_at}"
                    ));
                }
            }
        }
    }
    Ok(())
}

fn wills(clients: &Clients, client: &Client) -> Result<(), Fault> {
    let Some(watched) = client
        .subscribed
        .iter()
        .find(|subscribed| subscribed.filter.starts_with(WILLS))
    else {
        return Ok(());
    };
    let granted_at = watched.granted_at.unwrap_or(u64::MAX);
    for (name, other) in clients {
        for (connection, will) in &other.wills {
            let payload = format!("{name} {connection}");
            let is_it = |got: &&Got| got.topic.starts_with(WILLS) && got.payload == payload;
            let count = client.got.iter().filter(is_it).count();
            let is_right = match will.fate {
                WillFate::Must if will.at > granted_at => count == 1,
                WillFate::Must | WillFate::May => count <= 1,
                WillFate::MustNot => count == 0,
            };
            if !is_right {
                return Err(format!("will {payload} {will:?} came {count} times"));
            }
        }
    }
    Ok(())
}

/// Who subscribes at the end is shown the last message of each topic.
pub(super) fn retained(clients: &Clients, late: &Client) -> Result<(), Fault> {
    for (name, client) in clients {
        let last = client.sent.iter().rposition(|sent| sent.is_retained);
        let topic = format!("last/{name}");
        let shown: Vec<_> = late.got.iter().filter(|got| got.topic == topic).collect();
        let expected = last.map(|number| format!("{name} {number}"));
        let is_right = match (&expected, &shown[..]) {
            (None, []) => true,
            (Some(payload), [got]) => got.payload == *payload && got.is_shown,
            _ => false,
        };
        if !is_right {
            return Err(format!("{expected:?} retained, {shown:?} shown"));
        }
    }
    Ok(())
}
