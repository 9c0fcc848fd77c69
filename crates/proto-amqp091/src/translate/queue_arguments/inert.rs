//! Arguments that are checked as RabbitMQ checks them and mean nothing here: there is one node, and every queue moves
//! its backlog to the disk by itself.

use super::Argument;
use super::problem::{Problem, Reason};
use model::QueueKind;

/// Checks the value, if the argument is one of these. What is not known at all means nothing.
pub(super) fn check(it: &Argument<'_>) -> Result<(), Problem> {
    match it.name {
        b"x-queue-mode" => one_of(it, &[b"default", b"lazy"], "default or lazy"),
        b"x-queue-version" => {
            let expected = "1 or 2";
            match it.count(1, expected)? {
                1 | 2 => Ok(()),
                _ => Err(it.problem(expected)),
            }
        }
        b"x-queue-leader-locator" => {
            let known: [&[u8]; 4] = [b"client-local", b"balanced", b"random", b"least-leaders"];
            one_of(it, &known, "client-local or balanced")
        }
        b"x-dead-letter-strategy" => {
            let known: [&[u8]; 2] = [b"at-most-once", b"at-least-once"];
            one_of(it, &known, "at-most-once or at-least-once")
        }
        b"x-max-in-memory-length" | b"x-max-in-memory-bytes" => it.count(0, "a number").map(|_| ()),
        b"x-quorum-initial-group-size" | b"x-initial-cluster-size" => {
            it.count(1, "a number, at least 1").map(|_| ())
        }
        _ => Ok(()),
    }
}

fn one_of(it: &Argument<'_>, known: &[&[u8]], expected: &'static str) -> Result<(), Problem> {
    if known.contains(&it.text(expected)?) {
        Ok(())
    } else {
        Err(it.problem(expected))
    }
}

/// Whether queues of the kind that was asked for have the argument. Where none was, all that either kind has is taken.
pub(super) fn check_kind(it: &Argument<'_>, asked: Option<QueueKind>) -> Result<(), Problem> {
    let only: &[QueueKind] = match it.name {
        b"x-delivery-limit"
        | b"x-dead-letter-strategy"
        | b"x-max-in-memory-length"
        | b"x-max-in-memory-bytes"
        | b"x-quorum-initial-group-size" => &[QueueKind::Quorum],
        b"x-max-priority" | b"x-queue-mode" | b"x-queue-version" | b"x-queue-master-locator" => {
            &[QueueKind::Classic]
        }
        // Of streams.
        b"x-max-age" | b"x-stream-max-segment-size-bytes" | b"x-stream-filter-size-bytes" => &[],
        _ => return Ok(()),
    };
    let fits = match asked {
        Some(kind) => only.contains(&kind),
        None => !only.is_empty(),
    };
    if fits {
        Ok(())
    } else {
        Err(it.refused(Reason::Unfit(asked.unwrap_or(QueueKind::Classic))))
    }
}
