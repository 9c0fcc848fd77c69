//! What may be declared, and what a second declaration must be like.

use super::Kept;
use crate::Node;
use crate::routes::QueueRoute;
use crate::settings::VirtualTopics;
use crate::shared_queue::SharedQueue;
use broker_api::{Bind, BindTo, DeclareQueue, IfExists, IfMissing, Refusal};
use model::{
    Arguments, BindingKey, Durability, ExchangeDefinition, ExchangeName, Pattern, PatternLevel,
    QueueName, levels,
};
use routing::BindingError;

/// The most that there may be of each: they take memory and records.
const QUEUES_MAX: usize = 1_000_000;
const EXCHANGES_MAX: usize = 100_000;
const BINDINGS_MAX: usize = 10_000_000;
const KEEPS_MAX: usize = 10_000_000;

/// A binding has fewer arguments than this.
const ARGUMENTS_MAX: usize = 1024;

/// Names that begin so are the broker's.
const RESERVED: &[u8] = b"amq.";

/// What the names that the broker makes up begin with.
pub(crate) const GENERATED: &[u8] = b"amq.gen-";

pub(super) fn equal_queue(shared: &SharedQueue, declare: &DeclareQueue) -> Result<(), Refusal> {
    equal_definition(&shared.name, &shared.definition, declare)
}

/// Whether a declaration fits a queue that is there.
pub(crate) fn equal_definition(
    name: &QueueName,
    definition: &model::QueueDefinition,
    declare: &DeclareQueue,
) -> Result<(), Refusal> {
    if declare.if_exists == IfExists::Use || declare.if_missing == IfMissing::Refuse {
        return Ok(());
    }
    match definition.difference(&declare.definition) {
        None => Ok(()),
        Some(field) => Err(Refusal::Inequivalent {
            what: "queue",
            name: name.to_string().into(),
            field,
        }),
    }
}

pub(super) fn new_queue(
    node: &Node,
    declare: &DeclareQueue,
    name: &QueueName,
    count: usize,
) -> Result<(), Refusal> {
    if let Some(QueueRoute::Private(_)) = node.routes.load().queue(name.as_bytes()) {
        return Err(Refusal::QueueLocked(name.clone()));
    }
    queue_name(declare, name)?;
    limit("queues", count, QUEUES_MAX)
}

/// Whether a queue that is not there may be made under the name.
pub(crate) fn queue_name(declare: &DeclareQueue, name: &QueueName) -> Result<(), Refusal> {
    if declare.if_missing == IfMissing::Refuse {
        return Err(Refusal::QueueNotFound(name.clone()));
    }
    let is_reserved = name.as_bytes().starts_with(RESERVED);
    let is_chosen = declare.name.is_some() && declare.if_exists != IfExists::Another;
    if is_reserved && is_chosen {
        return Err(Refusal::AccessRefused(format!(
            "queue name '{name}' contains reserved prefix 'amq.*'"
        )));
    }
    Ok(())
}

pub(super) fn equal_exchange(
    name: &ExchangeName,
    present: &ExchangeDefinition,
    asked: &ExchangeDefinition,
) -> Result<(), Refusal> {
    let field = match present.difference(asked) {
        None => return Ok(()),
        Some(model::Difference::Kind) => "type",
        Some(model::Difference::Alternate) => "alternate-exchange",
        Some(model::Difference::Access) => "internal",
    };
    inequivalent(name, field)
}

pub(super) fn equal_kept(
    name: &ExchangeName,
    present: Option<&Kept>,
    asked: Kept,
) -> Result<(), Refusal> {
    match present {
        Some(present) if present.durability != asked.durability => inequivalent(name, "durable"),
        Some(present) if present.lifetime != asked.lifetime => inequivalent(name, "auto-delete"),
        Some(_) | None => Ok(()),
    }
}

fn inequivalent(name: &ExchangeName, field: &'static str) -> Result<(), Refusal> {
    Err(Refusal::Inequivalent {
        what: "exchange",
        name: name.to_string().into(),
        field,
    })
}

pub(super) fn new_exchange(
    name: &ExchangeName,
    if_missing: IfMissing,
    count: usize,
) -> Result<(), Refusal> {
    if if_missing == IfMissing::Refuse {
        return Err(Refusal::ExchangeNotFound(name.clone()));
    }
    if name.as_bytes().starts_with(RESERVED) {
        return Err(Refusal::AccessRefused(format!(
            "exchange name '{name}' contains reserved prefix 'amq.*'"
        )));
    }
    limit("exchanges", count, EXCHANGES_MAX)
}

/// Whether the exchange is one that may be deleted.
pub(super) fn not_predeclared(name: &ExchangeName) -> Result<(), Refusal> {
    not_default(name)?;
    if name.as_bytes().starts_with(RESERVED) {
        return Err(Refusal::AccessRefused(format!(
            "exchange name '{name}' contains reserved prefix 'amq.*'"
        )));
    }
    Ok(())
}

/// Whether the exchange is not the default one, which nobody changes.
pub(super) fn not_default(name: &ExchangeName) -> Result<(), Refusal> {
    if name.as_bytes().is_empty() {
        return Err(Refusal::AccessRefused(
            "operation not permitted on the default exchange".to_owned(),
        ));
    }
    Ok(())
}

/// Whether a record can tell of all the arguments.
pub(super) fn arguments(bind: &Bind) -> Result<(), Refusal> {
    limit("arguments", bind.arguments.iter().count(), ARGUMENTS_MAX)
}

pub(super) fn binding_count(count: usize) -> Result<(), Refusal> {
    limit("bindings", count, BINDINGS_MAX)
}

/// Whether one queue may keep the other.
pub(super) fn keep(queue: &SharedQueue, keeper: &SharedQueue, count: usize) -> Result<(), Refusal> {
    let is_durable = |it: &SharedQueue| it.definition.durability == Durability::Durable;
    if queue.target == keeper.target || !is_durable(queue) || !is_durable(keeper) {
        let text = "only a durable queue can keep another, and only such a one be kept".to_owned();
        return Err(Refusal::Invalid(text));
    }
    limit("queues that are kept", count, KEEPS_MAX)
}

fn limit(what: &'static str, count: usize, limit: usize) -> Result<(), Refusal> {
    if count < limit {
        return Ok(());
    }
    let limit = limit as u64;
    Err(Refusal::LimitReached { what, limit })
}

/// Why a binding cannot be made, as its publisher is told.
pub(crate) fn binding_refusal(bind: &Bind, error: BindingError) -> Refusal {
    match (error, &bind.destination) {
        (BindingError::SourceNotFound, _) => Refusal::ExchangeNotFound(bind.source.clone()),
        (BindingError::DestinationNotFound, BindTo::Queue(name)) => {
            Refusal::QueueNotFound(name.clone())
        }
        (BindingError::DestinationNotFound, BindTo::Exchange(name)) => {
            Refusal::ExchangeNotFound(name.clone())
        }
        (error, _) => invalid_binding(error),
    }
}

/// Why a binding makes no sense.
pub(crate) fn invalid_binding(error: BindingError) -> Refusal {
    match error {
        BindingError::DefaultExchange => {
            Refusal::AccessRefused("operation not permitted on the default exchange".to_owned())
        }
        BindingError::SourceNotFound
        | BindingError::DestinationNotFound
        | BindingError::Pattern(_)
        | BindingError::PatternNotTaken
        | BindingError::MatchMode
        | BindingError::Weight { .. } => Refusal::Invalid(error.to_string()),
    }
}

/// The binding that a queue gets by its name alone, if it is one of a virtual topic.
pub(super) fn virtual_topic(node: &Node, name: &QueueName) -> Option<Bind> {
    let VirtualTopics {
        topics,
        queue_prefix,
    } = node.settings.virtual_topics.as_ref()?;
    let prefix = queue_prefix.strip_suffix(b".").unwrap_or(queue_prefix);
    let mut rest = name.as_bytes();
    for level in levels(prefix) {
        let end = rest.iter().position(|byte| *byte == b'.')?;
        if level != b"*" && level != &rest[..end] {
            return None;
        }
        rest = &rest[end + 1..];
    }
    if rest.is_empty() || !covers(&Pattern::arrowed(topics), rest) {
        return None;
    }
    Some(Bind {
        source: ExchangeName::topic(),
        destination: BindTo::Queue(name.clone()),
        key: BindingKey::Pattern(Pattern::arrowed(rest)),
        arguments: Arguments::default(),
    })
}

/// Whether a pattern of topics, in which only the last level may stand for many, has this one among them.
fn covers(pattern: &Pattern, topic: &[u8]) -> bool {
    let mut topic = levels(topic);
    for level in pattern.levels() {
        match (level, topic.next()) {
            (PatternLevel::Many, _) => return true,
            (PatternLevel::One, Some(_)) => {}
            (PatternLevel::Word(word), Some(found)) if **word == *found => {}
            (PatternLevel::One | PatternLevel::Word(_), _) => return false,
        }
    }
    topic.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_topics_are_known_by_the_names_of_their_queues() {
        let pattern = Pattern::arrowed(b"VirtualTopic.>");
        assert!(covers(&pattern, b"VirtualTopic.Orders"));
        assert!(covers(&pattern, b"VirtualTopic.Orders.EU"));
        assert!(!covers(&pattern, b"Topic.Orders"));
        let one = Pattern::arrowed(b"V.*");
        assert!(covers(&one, b"V.a") && !covers(&one, b"V.a.b") && !covers(&one, b"V"));
    }
}
