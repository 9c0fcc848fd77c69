//! Changes that are decided, and announced once they are durable.

use super::Topology;
use super::bindings::binding_of;
use crate::mailbox::Control;
use crate::routes::{QueueRoute, Snapshot};
use crate::shared_queue::SharedQueue;
use crate::transaction::Asker;
use broker_api::{Bind, BindTo, DeleteIf, Event, Refusal, Reply};
use model::{ExchangeDefinition, ExchangeName, LogIndex, QueueName};
use std::sync::Arc;

/// What is announced when the log is durable up to an index.
pub(super) struct Pending {
    index: LogIndex,
    change: Change,
    answer: Option<(Asker, Result<Reply, Refusal>)>,
}

/// A change of the announced routes.
pub(super) enum Change {
    None,
    AddQueue(Arc<SharedQueue>),
    RemoveQueue(Arc<SharedQueue>),
    AddExchange(ExchangeName, ExchangeDefinition),
    RemoveExchange(ExchangeName),
    Bind(Bind),
    Unbind(Bind),
    /// One queue less keeps it.
    LetGo(Arc<SharedQueue>),
}

impl Topology {
    /// Notes a change that is to be announced behind all that was appended.
    pub(super) fn pend(&mut self, change: Change, answer: Option<(Asker, Result<Reply, Refusal>)>) {
        if matches!((&change, &answer), (Change::None, None)) {
            return;
        }
        self.pending.push_back(Pending {
            index: self.last_index,
            change,
            answer,
        });
    }

    /// Announces what has become durable.
    pub(crate) fn handle_committed(&mut self, committed: LogIndex) {
        while let Some(pending) = self.pending.front()
            && pending.index <= committed
        {
            let Some(Pending { change, answer, .. }) = self.pending.pop_front() else {
                break;
            };
            self.announce(&change);
            if let Some((asker, done)) = answer {
                self.answer(asker, done);
            }
        }
    }

    /// Answers, or has the host of a declared queue tell what that holds; refuses if the name has been taken since it was
    /// decided.
    fn answer(&self, asker: Asker, done: Result<Reply, Refusal>) {
        let mut done = done;
        if let Ok(Reply::Queue(status)) = &done {
            if is_private(&self.node.routes.load(), &status.name) {
                done = Err(Refusal::QueueLocked(status.name.clone()));
            } else if let Some(shared) = self.decided.queue(status.name.as_bytes()) {
                let queue = Arc::clone(shared);
                let mailbox = &self.node.mailboxes[queue.target.executor];
                mailbox.post(&mut vec![Control::Declared { queue, asker }]);
                return;
            }
        }
        let event = Event::Done(asker.command, done);
        asker.outbox.push(&mut vec![event]);
    }

    pub(super) fn announce(&self, change: &Change) {
        let routes = &self.node.routes;
        match change {
            Change::None => {}
            Change::AddQueue(shared) => {
                let mailbox = &self.node.mailboxes[shared.target.executor];
                mailbox.post(&mut vec![Control::Adopt(Arc::clone(shared))]);
                let added = routes.try_change(|table| {
                    if is_private(table, &shared.name) {
                        return Err(());
                    }
                    let route = QueueRoute::Shared(Arc::clone(shared));
                    Ok(table.with_queue(shared.name.clone(), route))
                });
                if added.is_err() {
                    // A connection has made a queue of its own of that name meanwhile.
                    shared.end();
                    mailbox.post(&mut vec![Control::End {
                        queue: Arc::clone(shared),
                        condition: DeleteIf::default(),
                        asker: None,
                    }]);
                }
            }
            Change::RemoveQueue(shared) => {
                let gone = Control::FreePages(shared.target);
                self.node.mailboxes[shared.target.executor].post(&mut vec![gone]);
                routes.change(|table| match table.queue(shared.name.as_bytes()) {
                    Some(QueueRoute::Shared(known)) if Arc::ptr_eq(known, shared) => {
                        table.without_queue(&shared.name)
                    }
                    _ => table.clone(),
                });
            }
            Change::AddExchange(name, definition) => {
                let definition = self.holding(name, definition);
                routes.change(|table| {
                    let changed = table.with_exchange(name, definition.clone());
                    changed.unwrap_or_else(|_| table.clone())
                });
            }
            Change::RemoveExchange(name) => routes.change(|table| {
                let changed = table.without_exchange(name);
                changed.unwrap_or_else(|_| table.clone())
            }),
            Change::Bind(bind) => routes.change(|table| {
                if leads_to_private(table, bind) {
                    return table.clone();
                }
                let changed = table.with_binding(bind.source.as_bytes(), binding_of(bind));
                changed.unwrap_or_else(|_| table.clone())
            }),
            Change::Unbind(bind) => routes.change(|table| {
                if leads_to_private(table, bind) {
                    return table.clone();
                }
                table.without_binding(bind.source.as_bytes(), &binding_of(bind))
            }),
            Change::LetGo(shared) => {
                if shared.let_go() {
                    let mailbox = &self.node.mailboxes[shared.target.executor];
                    mailbox.post(&mut vec![Control::LetGo(shared.target)]);
                }
            }
        }
    }
}

/// Whether the name is that of a queue of some connection's own.
pub(super) fn is_private(table: &Snapshot, name: &QueueName) -> bool {
    matches!(table.queue(name.as_bytes()), Some(QueueRoute::Private(_)))
}

/// Whether a shared binding would lead to a queue that has taken the name of the one it was made for.
fn leads_to_private(table: &Snapshot, bind: &Bind) -> bool {
    match &bind.destination {
        BindTo::Queue(name) => is_private(table, name),
        BindTo::Exchange(_) => false,
    }
}
