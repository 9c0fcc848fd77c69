//! The table as a page of the documentation.

use crate::carrier::{BASE64_BOTH, BASE64_VALUE, EXCHANGE, HEADER, OMITTED, TYPED};
use crate::{Cell, Column, Kind, Row, TABLE};
use std::fmt::Write as _;

const INTRODUCTION: &str = "\
# Between the protocols

<!-- Made from crates/conversion: UPDATE_GOLDEN=1 cargo test -p conversion page -->

To a reader of the dialect that it came by, a message goes out as it came. To any other it is converted, and no property is lost
silently: what the reader's protocol has no word for travels in a *carrier*, a header under the name that stands here. From one
protocol to another and back, a message says what it said.

A word alone is the protocol's own. A word with *carrier* is a header that only Barid reads so: an application may set it, which is as
good as setting the property, and never overrides what the protocol says natively. Headers are STOMP's headers, the user properties
of MQTT 5.0, and the table `headers` of AMQP.

";

const HEADERS: &str = "\
## Headers

All others go from header to header under their names, in their order, repeats included.

";

const TOPICS: &str = "\
## Topics and destinations

The levels of a topic are separated by `.` in STOMP and by `/` in MQTT; in a name the two characters change places, so that `plant/7.5/temp`
is `/topic/plant.7/5.temp`, and nothing merges. A STOMP reader sees a `destination` that leads to where the message was published:
`/topic/KEY` for the exchange `amq.topic`, `/queue/NAME` for the default exchange, else `/exchange/EXCHANGE/KEY`, with `%XX` for what
is not visible ASCII and for `%`, `:` and `\\`. An AMQP reader sees exchange and routing key; the levels of a topic are separated by `.` there, too.

## What is not kept

- MQTT 3.1 and 3.1.1 have no properties: their readers get topic, body and QoS, and their messages say no more.
- ZeroMQ's messages are frames. Their readers get the body, a SUB the topic before it. What a socket sends says where an answer goes and what that repeats, if
  it is a request, and no more; to others its frames lie one behind the other, and where they end is not told.
- An expiry is counted down on its way. A message whose expiry has been taken away (a dead letter) still has it where a header said it; AMQP has
  no `expiration` then, but in `x-death`.
- How a message died is told by STOMP and AMQP; headers of these names that its publisher had set by AMQP are not told any more.
- A STOMP header of this table that is repeated comes back with `x-header-` before its name from the second on; in STOMP only
  the first counts.
- A STOMP message that has `expires` comes back with `expiration`, too; the earlier counts.
- Padding around the values of STOMP 1.0.
- In AMQP, values of headers have types, and numbers say how many bits they have. Others are told the type of what is not text,
  but not the number of bits; moments in time are numbers, bytes are text.
- AMQP's header `BCC`, which is for the broker alone: routing keys that nobody is shown.
- AMQP's `cluster-id`, and a `timestamp` of more than 292 million years.
- STOMP shows a topic of more than 255 bytes, and headers of any length, which it does not take in a SEND.
- A message that is longer than what an MQTT 5.0 client takes is not sent to it, as that protocol asks for.
";

/// The page `docs/conversion.md`.
#[must_use]
pub fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("## Properties\n\n| Property | Values |");
    for column in Column::ALL {
        line(&mut page, format_args!(" {} |", column.title()));
    }
    page.push_str("\n|---|---|");
    page.push_str(&"---|".repeat(Column::ALL.len()));
    page.push('\n');
    for row in TABLE {
        line(
            &mut page,
            format_args!("| {} | {} |", title(row), values(row.kind)),
        );
        for column in Column::ALL {
            line(&mut page, format_args!(" {} |", cell(row.cell(column))));
        }
        page.push('\n');
    }
    page.push('\n');
    for row in TABLE.iter().filter(|row| !row.note.is_empty()) {
        line(&mut page, format_args!("- {}: {}\n", title(row), row.note));
    }
    page.push('\n');
    page.push_str(HEADERS);
    page.push_str("| Header | Means |\n|---|---|\n");
    let special = [
        (
            format!("{HEADER}NAME"),
            "the application's header NAME, which would mean something else under that name",
        ),
        (
            format!("{BASE64_VALUE}NAME"),
            "the header NAME, whose value the protocol cannot spell, in base64",
        ),
        (
            BASE64_BOTH.to_owned(),
            "a header whose name the protocol cannot spell: name and value in base64, with a dot between",
        ),
        (
            format!("{TYPED}NAME"),
            "the type of the header NAME that stands next: `void`, `boolean`, `integer`, `float`, `opaque` (its bytes in base64)",
        ),
        (
            OMITTED.to_owned(),
            "the name of a header that was left out: MQTT has at most 65,535 bytes for a name or a value. Empty if the name is too long, too",
        ),
        (
            EXCHANGE.to_owned(),
            "to an MQTT reader: the exchange that the message was published to, if not `amq.topic`",
        ),
        (
            "x-routing-key".to_owned(),
            "to an MQTT reader: the routing key in percent encoding, if no topic name can be it; the topic then has U+FFFD for what it cannot have",
        ),
    ];
    for (name, meaning) in special {
        line(&mut page, format_args!("| `{name}` | {meaning} |\n"));
    }
    page.push('\n');
    page.push_str(TOPICS);
    page
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text)
        .expect("writing to a text does not fail");
}

/// `ContentType` as `content type`.
fn title(row: &Row) -> String {
    let mut title = String::new();
    for letter in format!("{:?}", row.property).chars() {
        if letter.is_uppercase() && !title.is_empty() {
            title.push(' ');
        }
        title.extend(letter.to_lowercase());
    }
    title
}

fn values(kind: Kind) -> String {
    match kind {
        Kind::Text => "text".to_owned(),
        Kind::Bytes => "bytes".to_owned(),
        Kind::Truth => "`true`".to_owned(),
        Kind::Address => "an address".to_owned(),
        Kind::Word(words) => format!("`{}`", words.join("`, `")),
        Kind::Integer(min, max) if min == max => format!("{min}"),
        Kind::Integer(_, max) if max > 1 << 60 => "a whole number".to_owned(),
        Kind::Integer(min, max) => format!("{min} to {max}"),
    }
}

fn cell(cell: Cell) -> String {
    match cell {
        Cell::Header(name) => format!("`{name}`"),
        Cell::Native(name) => name.to_owned(),
        Cell::NativeOr(name, carrier) => format!("{name}, or carrier `{carrier}`"),
        Cell::Carrier(name) => format!("carrier `{name}`"),
        Cell::Nothing => "-".to_owned(),
    }
}
