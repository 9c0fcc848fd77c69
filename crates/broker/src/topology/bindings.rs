//! Bindings that are shared.

use super::announce::Change;
use super::{Topology, check};
use crate::entry;
use crate::shard::Shard;
use broker_api::{Bind, BindTo, Refusal, Reply};
use model::{Durability, ExchangeName};
use routing::{Binding, Destination};

impl Topology {
    pub(super) fn bind(&mut self, shard: &mut Shard, bind: Bind) -> Result<Reply, Refusal> {
        check::binding_count(self.binding_count)?;
        check::arguments(&bind)?;
        let (source, binding) = (bind.source.as_bytes(), binding_of(&bind));
        let decided = self
            .decided
            .with_binding(source, binding)
            .map_err(|error| check::binding_refusal(&bind, error))?;
        if decided.version() == self.decided.version() {
            return Ok(Reply::Nothing);
        }
        self.decided = decided;
        self.binding_count += 1;
        if self.is_durable(&bind) {
            self.last_index = shard.append(entry::BOUND, |to| entry::encode_binding(to, &bind));
        }
        self.pend(Change::Bind(bind), None);
        Ok(Reply::Nothing)
    }

    pub(super) fn unbind(&mut self, shard: &mut Shard, bind: Bind) -> Result<Reply, Refusal> {
        check::not_default(&bind.source)?;
        let decided = self
            .decided
            .without_binding(bind.source.as_bytes(), &binding_of(&bind));
        if decided.version() == self.decided.version() {
            return Ok(Reply::Nothing);
        }
        if self.is_durable(&bind) {
            self.last_index = shard.append(entry::UNBOUND, |to| entry::encode_binding(to, &bind));
        }
        self.decided = decided;
        self.binding_count -= 1;
        let source = bind.source.clone();
        self.pend(Change::Unbind(bind), None);
        self.remove_if_unused(shard, &source);
        Ok(Reply::Nothing)
    }

    /// Whether both ends of a binding are durable.
    pub(super) fn is_durable(&self, bind: &Bind) -> bool {
        let exchange = |name: &ExchangeName| {
            let kept = self.exchanges.get(name);
            kept.is_some_and(|kept| kept.durability == Durability::Durable)
        };
        exchange(&bind.source)
            && match &bind.destination {
                BindTo::Exchange(name) => exchange(name),
                BindTo::Queue(name) => {
                    let shared = self.decided.queue(name.as_bytes());
                    shared.is_some_and(|shared| shared.definition.durability == Durability::Durable)
                }
            }
    }
}

/// A binding as routing keeps it.
pub(crate) fn binding_of<K>(bind: &Bind) -> Binding<K> {
    Binding {
        destination: match &bind.destination {
            BindTo::Queue(name) => Destination::Queue(name.clone()),
            BindTo::Exchange(name) => Destination::Exchange(name.clone()),
        },
        key: bind.key.clone(),
        arguments: bind.arguments.clone(),
    }
}

/// A binding as the waist names it; none for somebody's own subscription.
pub(crate) fn bind_of<K>(source: &ExchangeName, binding: &Binding<K>) -> Option<Bind> {
    Some(Bind {
        source: source.clone(),
        destination: match &binding.destination {
            Destination::Queue(name) => BindTo::Queue(name.clone()),
            Destination::Exchange(name) => BindTo::Exchange(name.clone()),
            Destination::Subscriber(_) => return None,
        },
        key: binding.key.clone(),
        arguments: binding.arguments.clone(),
    })
}
