//! Exchanges that are shared, and the policies that apply to them.

use super::announce::{Change, is_private};
use super::{Kept, Topology, check};
use crate::entry;
use crate::routes::Snapshot;
use crate::shard::Shard;
use broker_api::{DeclareExchange, DeleteExchange, ListedExchange, Refusal, Reply};
use model::{Applied, Durability, ExchangeDefinition, ExchangeName, Lifetime};
use routing::Destination;

impl Topology {
    /// Has policies apply to the exchanges that are always there.
    pub(super) fn apply_to_predeclared(&mut self) {
        let predeclared = self.decided.clone();
        for (name, definition) in predeclared.exchanges() {
            self.note_applied(name);
            let alternate = self.holding(name, definition).alternate;
            if alternate.is_some() {
                let change = |table: &Snapshot| table.with_alternate(name, alternate.clone());
                self.node.routes.change(change);
            }
        }
    }

    /// Finds the policies that apply to an exchange.
    pub(super) fn note_applied(&mut self, name: &ExchangeName) {
        let applied = self.node.settings.policies.for_exchange(name);
        if applied != Applied::default() {
            self.applied.insert(name.clone(), applied);
        }
    }

    /// What holds for an exchange that was declared as this. What is decided, logged and compared is what was
    /// declared; routes follow what holds.
    pub(super) fn holding(
        &self,
        name: &ExchangeName,
        declared: &ExchangeDefinition,
    ) -> ExchangeDefinition {
        match self.applied.get(name) {
            Some(applied) => applied.exchange(declared.clone()),
            None => declared.clone(),
        }
    }

    pub(super) fn declare_exchange(
        &mut self,
        shard: &mut Shard,
        declare: DeclareExchange,
    ) -> Result<Reply, Refusal> {
        let DeclareExchange {
            name,
            definition,
            durability,
            lifetime,
            if_missing,
        } = declare;
        let kept = Kept {
            durability,
            lifetime,
        };
        if let Some(present) = self.decided.exchange(name.as_bytes()) {
            if if_missing == broker_api::IfMissing::Create {
                check::equal_exchange(&name, present, &definition)?;
                check::equal_kept(&name, self.exchanges.get(&name), kept)?;
            }
            return Ok(Reply::Nothing);
        }
        check::new_exchange(&name, if_missing, self.exchanges.len())?;
        self.decided = self
            .decided
            .with_exchange(&name, definition.clone())
            .map_err(|error| Refusal::Invalid(error.to_string()))?;
        if durability == Durability::Durable {
            self.last_index = shard.append(entry::EXCHANGE_DECLARED, |to| {
                entry::encode_exchange_declared(to, &name, &definition, lifetime);
            });
        }
        self.exchanges.insert(name.clone(), kept);
        self.note_applied(&name);
        self.pend(Change::AddExchange(name, definition), None);
        Ok(Reply::Nothing)
    }

    pub(super) fn delete_exchange(
        &mut self,
        shard: &mut Shard,
        delete: &DeleteExchange,
    ) -> Result<Reply, Refusal> {
        let name = &delete.name;
        check::not_predeclared(name)?;
        if self.decided.exchange(name.as_bytes()).is_none() {
            return Ok(Reply::Nothing);
        }
        if delete.condition.unused && self.is_used(name) {
            return Err(Refusal::ExchangeInUse(name.clone()));
        }
        self.remove_exchange(shard, name);
        Ok(Reply::Nothing)
    }

    /// Whether bindings lead from the exchange, shared or somebody's own.
    fn is_used(&self, name: &ExchangeName) -> bool {
        if self.decided.binding_count_from(name.as_bytes()) > 0 {
            return true;
        }
        let announced = self.node.routes.load();
        let mut bindings = announced.bindings_from(name.as_bytes());
        bindings.any(|binding| match &binding.destination {
            Destination::Subscriber(_) => true,
            Destination::Queue(name) => is_private(&announced, name),
            Destination::Exchange(_) => false,
        })
    }

    pub(super) fn remove_if_unused(&mut self, shard: &mut Shard, name: &ExchangeName) {
        let ends = self
            .exchanges
            .get(name)
            .is_some_and(|kept| kept.lifetime == Lifetime::UntilUnused);
        if ends && !self.is_used(name) {
            self.remove_exchange(shard, name);
        }
    }

    /// Removes an exchange with its bindings; those from which one led to it may end with it.
    fn remove_exchange(&mut self, shard: &mut Shard, name: &ExchangeName) {
        let mut ending = vec![name.clone()];
        while let Some(name) = ending.pop() {
            let Some(kept) = self.exchanges.remove(&name) else {
                continue;
            };
            let destination = Destination::Exchange(name.clone());
            let inbound = self.decided.bindings_to(&destination);
            let sources: Vec<_> = inbound.map(|(source, _)| source.clone()).collect();
            // A binding that leads back to where it comes from is counted once.
            let others = sources.iter().filter(|source| **source != name).count();
            self.binding_count -= self.decided.binding_count_from(name.as_bytes()) + others;
            if let Ok(decided) = self.decided.without_exchange(&name) {
                self.decided = decided;
            }
            if kept.durability == Durability::Durable {
                self.last_index = shard.append(entry::EXCHANGE_DELETED, |to| {
                    entry::encode_exchange_deleted(to, &name);
                });
            }
            self.applied.remove(&name);
            self.pend(Change::RemoveExchange(name), None);
            ending.extend(sources.into_iter().filter(|source| {
                let kept = self.exchanges.get(source);
                kept.is_some_and(|kept| kept.lifetime == Lifetime::UntilUnused)
                    && !self.is_used(source)
            }));
        }
    }

    pub(super) fn list_exchanges(&self) -> Reply {
        let listed = |(name, definition): (&ExchangeName, &ExchangeDefinition)| {
            let kept = self.exchanges.get(name)?;
            Some(ListedExchange {
                name: name.clone(),
                definition: definition.clone(),
                durability: kept.durability,
                lifetime: kept.lifetime,
                applied: self.applied.get(name).cloned().unwrap_or_default(),
                binding_count: self.decided.binding_count_from(name.as_bytes()) as u64,
            })
        };
        Reply::Exchanges(self.decided.exchanges().filter_map(listed).collect())
    }
}
