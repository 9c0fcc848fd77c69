//! What a backlog in pages costs: memory for each page, time for each message.

#![expect(clippy::print_stdout, reason = "it tells what it measured")]
#![expect(
    clippy::disallowed_methods,
    reason = "it measures, so it reads the clock"
)]

use model::{
    Dialect, Envelope, Instant, LogIndex, Message, PageNumber, Parts, Persistence, QueueRules,
    Sequence,
};
use queue::{Keys, Logging, PageLimits, PageReach, Queue, RecoveredQueue};
use std::sync::Arc;

const NOW: Instant = Instant::from_millis(0);

fn main() {
    backlog(
        "10,000,000 messages of 1 KB in pages of 1 MB",
        1024,
        10_000_000,
        1000,
    );
    backlog("2,000,000 messages of 10 B in pages of 2", 10, 2_000_000, 2);
}

fn backlog(name: &str, body_len: usize, count: usize, per_page: usize) {
    let body = vec![b'x'; body_len];
    let mut queue = Queue::new(Arc::new(QueueRules::PLAIN), 1);
    let before = memory_bytes();
    let start = std::time::Instant::now();
    let mut cost_bytes = 0;
    for number in 1..=count {
        let message = Message::new(&Parts {
            envelope: Envelope::new(Dialect::Stomp12, Persistence::Persistent),
            exchange: b"",
            key: b"q",
            annotations: b"",
            head: &[],
            body: &body,
        });
        cost_bytes = message.cost_bytes();
        let placement = queue.placement(NOW, &message);
        let index = Some(LogIndex(1));
        queue.enqueue(message, placement, index, Keys::default(), &mut Vec::new());
        if number % per_page == 0 {
            let page = PageNumber((number / per_page) as u64);
            let limits = PageLimits {
                bytes_max: cost_bytes * per_page,
                bytes_min: 0,
                keep_bytes: 0,
                reach: PageReach::Waiting,
                logging: Logging::Logged {
                    committed: LogIndex(1),
                },
            };
            let out = queue.page_out(page, limits).expect("there is enough");
            assert_eq!(out.messages.len(), per_page);
            drop(out);
            queue.page_saved(page, (cost_bytes * per_page) as u64);
            queue.shed(0);
        }
    }
    let nanos = start.elapsed().as_nanos() / count as u128;
    let pages = count / per_page;
    let bytes = memory_bytes().saturating_sub(before);
    println!(
        "{name}: {} MB in all, {nanos} ns per message, {} bytes charged to memory, {} bytes per page",
        count * cost_bytes / 1_000_000,
        queue.resident_bytes(),
        bytes / pages,
    );
    recover(&queue, count);
}

/// A restart from a snapshot, with as many settlements behind it as messages, one by one.
fn recover(queue: &Queue, count: usize) {
    let start = std::time::Instant::now();
    let mut recovered = RecoveredQueue::new();
    for state in queue.page_states() {
        recovered.page(state);
    }
    let pages_ms = start.elapsed().as_millis();
    let settled_count = count as u64 / 2;
    for sequence in (1..=settled_count).map(Sequence) {
        recovered.settled(sequence, sequence);
    }
    let left = recovered.len();
    let nanos = start.elapsed().as_nanos() / u128::from(settled_count);
    println!(
        "  after a restart: {pages_ms} ms for the pages, {nanos} ns per settlement, {left} left"
    );
}

/// What the process has in memory.
fn memory_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1);
    pages.and_then(|pages| pages.parse().ok()).unwrap_or(0) * 4096
}
