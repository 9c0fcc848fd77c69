//! What the broker tells of itself, at topics below `$SYS/broker`, as Mosquitto does.

use broker::{Broker, Connection, Totals};
use broker_api::{Attachment as _, Command, Confirm, Connect, Numbering, Publishing, Submission};
use model::{ConversationId, Dialect, Envelope, Instant, Message, Parts, Persistence, Retain};
use net::{Clock, Counters};
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior};

/// The first level of the topics, to which nobody else may publish.
pub(crate) const FIRST_LEVEL: &[u8] = b"$SYS";

/// The exchange of topics, and what the keys begin with.
const EXCHANGE: &[u8] = b"amq.topic";
const PREFIX: &str = "$SYS.broker";

/// The windows of averages, by name and in seconds.
const WINDOWS: [(&str, f64); 3] = [("1min", 60.0), ("5min", 300.0), ("15min", 900.0)];

/// What is counted at one moment, since the start.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    totals: Totals,
    bytes_in: u64,
    bytes_out: u64,
    accepted: u64,
}

/// What is told at one moment.
struct Now<'a> {
    uptime: Duration,
    broker: &'a Broker,
    /// How many messages are in queues, and what they are charged with.
    queued: (u64, u64),
    clients: &'a Counters,
    sample: Sample,
    loads: &'a Loads,
}

/// The topics with what is told there, but for averages.
type Told = (&'static str, fn(&Now<'_>) -> String);
const TOLD: &[Told] = &[
    ("version", |_| {
        format!("barid version {}", env!("CARGO_PKG_VERSION"))
    }),
    ("uptime", |now| format!("{} seconds", now.uptime.as_secs())),
    ("clients.connected", |now| now.clients.open().to_string()),
    ("clients.total", |now| now.clients.open().to_string()),
    ("clients.maximum", |now| read(&now.clients.open_max)),
    ("messages.received", |now| {
        now.sample.totals.published.to_string()
    }),
    ("messages.sent", |now| {
        now.sample.totals.delivered.to_string()
    }),
    ("messages.stored", |now| now.queued.0.to_string()),
    ("publish.messages.received", |now| {
        now.sample.totals.published.to_string()
    }),
    ("publish.messages.sent", |now| {
        now.sample.totals.delivered.to_string()
    }),
    ("publish.messages.dropped", |now| {
        now.sample.totals.dropped.to_string()
    }),
    ("bytes.received", |now| now.sample.bytes_in.to_string()),
    ("bytes.sent", |now| now.sample.bytes_out.to_string()),
    ("subscriptions.count", |now| {
        now.broker.subscription_count().to_string()
    }),
    ("retained messages.count", |now| {
        now.broker.retained_count().to_string()
    }),
    ("store.messages.count", |now| now.queued.0.to_string()),
    ("store.messages.bytes", |now| now.queued.1.to_string()),
];

/// What averages there are of, per minute, with the number that they are made of.
type Series = (&'static str, fn(&Sample) -> u64);
const SERIES: [Series; 8] = [
    ("messages.received", |sample| sample.totals.published),
    ("messages.sent", |sample| sample.totals.delivered),
    ("publish.received", |sample| sample.totals.published),
    ("publish.sent", |sample| sample.totals.delivered),
    ("publish.dropped", |sample| sample.totals.dropped),
    ("bytes.received", |sample| sample.bytes_in),
    ("bytes.sent", |sample| sample.bytes_out),
    ("sockets", |sample| sample.accepted),
];

/// Averages per minute over each window, which forget exponentially.
#[derive(Default)]
struct Loads {
    last: Sample,
    averages: [[f64; WINDOWS.len()]; SERIES.len()],
}

impl Loads {
    /// Takes in what was counted until `elapsed` after the sample before.
    fn update(&mut self, elapsed: Duration, sample: Sample) {
        let seconds = elapsed.as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        for ((_, count), averages) in SERIES.iter().zip(&mut self.averages) {
            let new = count(&sample).saturating_sub(count(&self.last));
            #[expect(clippy::cast_precision_loss, reason = "it is shown with two decimals")]
            let per_minute = new as f64 * 60.0 / seconds;
            for ((_, window), average) in WINDOWS.iter().zip(averages) {
                let kept = (-seconds / window).exp();
                *average = per_minute + kept * (*average - per_minute);
            }
        }
        self.last = sample;
    }
}

/// A topic, and what is told there.
struct Topic {
    key: String,
    what: What,
    /// What was told last.
    last: String,
}

#[derive(Clone, Copy)]
enum What {
    Told(fn(&Now<'_>) -> String),
    Average { series: usize, window: usize },
}

/// Tells the broker's subscribers of itself, at intervals: what has changed since it was told last. It is retained, in
/// memory alone, so who comes later is told at once. Publishes by a connection of its own, without a session.
pub(crate) struct SysTopics {
    broker: Broker,
    clients: Arc<Counters>,
    clock: Clock,
    connection: Connection,
    topics: Vec<Topic>,
    loads: Loads,
    started: Instant,
    last: Instant,
    numbering: Numbering,
}

impl SysTopics {
    /// `clients` counts what clients do; `connection` is an operator's.
    pub(crate) fn new(
        broker: Broker,
        clients: Arc<Counters>,
        clock: Clock,
        connection: Connection,
    ) -> Self {
        let now = clock.now();
        let mut this = Self {
            broker,
            clients,
            clock,
            connection,
            topics: topics(),
            loads: Loads::default(),
            started: now,
            last: now,
            numbering: Numbering::default(),
        };
        let connect = this.submission(Command::Connect(Box::new(Connect {
            login: None,
            vhost: Vec::new(),
            identity: None,
        })));
        this.connection.submit(now, &mut vec![connect]);
        this
    }

    /// Tells at every interval, for ever.
    pub(crate) async fn run(mut self, mut interval: Interval) -> Infallible {
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if self.is_admitted().await {
                let mut round = self.round();
                let now = self.clock.now();
                self.connection.submit(now, &mut round);
            }
        }
    }

    /// Whether what was told before has gone on. Answers are only refusals, which nobody waits for.
    async fn is_admitted(&mut self) -> bool {
        let now = self.clock.now();
        let connection = &mut self.connection;
        poll_fn(|cx| {
            while connection
                .poll_events(now, cx, usize::MAX, &mut |_| {})
                .is_ready()
            {}
            Poll::Ready(connection.poll_admission(now, cx).is_ready())
        })
        .await
    }

    /// What is told now.
    fn round(&mut self) -> Vec<Submission> {
        let now = self.clock.now();
        let sample = Sample {
            totals: self.broker.counters().totals(),
            bytes_in: self.clients.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.clients.bytes_out.load(Ordering::Relaxed),
            accepted: self.clients.accepted.load(Ordering::Relaxed),
        };
        self.loads.update(now.since(self.last), sample);
        self.last = now;
        let told = Now {
            uptime: now.since(self.started),
            broker: &self.broker,
            queued: self.broker.queued(),
            clients: &self.clients,
            sample,
            loads: &self.loads,
        };
        let topics = self.topics.iter_mut();
        let messages: Vec<_> = topics.filter_map(|topic| topic.tell(&told)).collect();
        let publishing = Publishing::new(Confirm::Unwanted);
        let publish = |message| Command::Publish(message, publishing);
        let commands = messages.into_iter().map(publish);
        commands.map(|command| self.submission(command)).collect()
    }

    fn submission(&mut self, command: Command) -> Submission {
        self.numbering.next(ConversationId(0), command)
    }
}

impl Topic {
    /// What is to be told now, if it is anything new.
    fn tell(&mut self, now: &Now<'_>) -> Option<Message> {
        let text = match self.what {
            What::Told(tell) => tell(now),
            What::Average { series, window } => {
                format!("{:.2}", now.loads.averages[series][window])
            }
        };
        if text == self.last {
            return None;
        }
        self.last = text;
        Some(message(self.key.as_bytes(), self.last.as_bytes()))
    }
}

fn topics() -> Vec<Topic> {
    let topic = |name: String, what| Topic {
        key: format!("{PREFIX}.{name}"),
        what,
        last: String::new(),
    };
    let told = TOLD
        .iter()
        .map(|(name, tell)| topic((*name).to_owned(), What::Told(*tell)));
    let averages = SERIES.iter().enumerate().flat_map(|(series, (name, _))| {
        let windows = WINDOWS.iter().enumerate();
        windows.map(move |(window, (span, _))| {
            let name = format!("load.{name}.{span}");
            topic(name, What::Average { series, window })
        })
    });
    told.chain(averages).collect()
}

fn message(key: &[u8], body: &[u8]) -> Message {
    Message::new(&Parts {
        envelope: Envelope {
            retain: Retain::Keep,
            ..Envelope::new(Dialect::Mqtt3, Persistence::Transient)
        },
        exchange: EXCHANGE,
        key,
        annotations: &[],
        head: &[],
        body,
    })
}

fn read(counter: &AtomicU64) -> String {
    counter.load(Ordering::Relaxed).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(bytes_in: u64) -> Sample {
        Sample {
            bytes_in,
            ..Sample::default()
        }
    }

    #[test]
    fn averages_follow_what_was_counted_and_forget_it() {
        let at = SERIES
            .iter()
            .position(|it| it.0 == "bytes.received")
            .unwrap();
        let mut loads = Loads::default();
        let shown = |loads: &Loads| loads.averages[at].map(|average| format!("{average:.2}"));
        // Of a minute in which 600 came, two thirds and so on count.
        loads.update(Duration::from_secs(60), received(600));
        assert_eq!(shown(&loads), ["379.27", "108.76", "38.70"]);
        assert_eq!(loads.averages[0], [0.0; 3], "what has not been counted");
        // The same every ten seconds comes to the same in the end.
        for tens in 1..=1000 {
            loads.update(Duration::from_secs(10), received(600 + tens * 100));
        }
        assert_eq!(shown(&loads), ["600.00", "600.00", "599.99"]);
        loads.update(Duration::ZERO, received(1 << 40));
        loads.update(Duration::from_secs(60), received(600 + 100_000));
        let rest = ["220.73", "491.24", "561.30"];
        assert_eq!(shown(&loads), rest, "nothing has come");
    }

    #[test]
    fn every_topic_is_there_once() {
        let topics = topics();
        let mut keys: Vec<_> = topics
            .iter()
            .map(|it| it.key.clone().into_bytes())
            .collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), TOLD.len() + SERIES.len() * WINDOWS.len());
        let first = [FIRST_LEVEL, b"."].concat();
        assert!(keys.iter().all(|key| key.starts_with(&first)));
        assert!(keys.contains(&b"$SYS.broker.load.bytes.sent.15min".to_vec()));
    }
}
