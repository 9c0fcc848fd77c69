//! The steps, in their order, on one broker after the other.

use std::{fmt, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;

use super::{
    BacklogOptions, Spread,
    broker::{Broker, Ending},
    first::First,
    ledger::Ledger,
    meter::{Meter, Span},
    report::{RestartTimes, Row, name},
    seconds,
    sieve::Sieve,
    site::Site,
    traffic::{Plan, Traffic},
};
use crate::{measure::Clock, progress};

/// Messages of a short queue, and of the begin of the fill.
const SHORT_COUNT: u64 = 50_000;

/// Messages sent and not consumed while an empty queue is to stay nearly so.
const AHEAD_MAX: u64 = 10_000;

/// Deliveries that a consumer of one queue may have open; of many queues, all together, but each at least ten.
const PREFETCH: u32 = 1000;
const PREFETCH_OF_ALL: u32 = 100_000;
const PREFETCH_MIN: u32 = 10;

/// Queues that one connection subscribes to, at most.
const SUBSCRIPTIONS_MAX: u32 = 10_000;

/// Messages in the first queue, by which it is deep by itself.
const DEEP: u64 = 20_000;

/// Time in which nothing comes of queues that are empty.
const NOTHING: Duration = Duration::from_secs(1);

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Both ways through an empty queue, and a short one consumed: the yardsticks.
    Empty,
    /// The backlog is published.
    Fill,
    /// Both ways with the backlog in place.
    Depth,
    /// A restart after SIGTERM.
    Term,
    /// A restart after SIGKILL.
    Kill,
    /// Random acknowledgments.
    Acks,
    /// All is consumed.
    Drain,
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value();
        out.pad(name.as_ref().map_or("", |name| name.get_name()))
    }
}

/// A run under way.
pub(super) struct Run<'a> {
    options: &'a BacklogOptions,
    /// None while one ends and the next is not up.
    broker: Option<Broker>,
    ledger: Ledger,
    rows: Vec<Row>,
    /// Holds the first message once there are random acknowledgments.
    holder: Option<First>,
    /// When the last row was finished.
    clock: Clock,
}

impl<'a> Run<'a> {
    /// Starts the broker, with its data below `dir`.
    ///
    /// # Errors
    /// If it does not come up.
    pub(super) fn start(options: &'a BacklogOptions, dir: &Path) -> Result<Self> {
        let broker = Broker::start(&options.barid, dir, options.memory.as_deref())?;
        Ok(Self {
            options,
            broker: Some(broker),
            // Two more: one that is nearly empty, and a short one.
            ledger: Ledger::new(options.queues as usize + 2),
            rows: Vec::new(),
            holder: None,
            clock: Clock::start(),
        })
    }

    /// Does what is asked for, and gives the rows of what came to its end, however it ended.
    pub(super) fn all_steps(mut self) -> (Vec<Row>, Result<()>) {
        let options = self.options;
        let steps = Step::value_variants().iter();
        let wanted = |step: &&Step| options.steps.is_empty() || options.steps.contains(step);
        for step in steps.filter(wanted) {
            progress(format_args!(
                "[{:.0} s] {step}",
                seconds(self.clock.now_ns())
            ));
            if let Err(error) = self.step(*step).with_context(|| format!("{step}")) {
                // A broker that is gone says more than a connection that it closed.
                let gone = self.broker.as_mut().map(Broker::check_alive);
                let error = match gone {
                    Some(Err(gone)) => error.context(format!("{gone:#}")),
                    Some(Ok(())) | None => error,
                };
                return (self.rows, Err(error));
            }
        }
        (self.rows, Ok(()))
    }

    fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Empty => self.empty(),
            Step::Fill => self.fill(),
            Step::Depth => self.depth(),
            Step::Term => self.restart(name::TERM, Ending::Asked),
            Step::Kill => self.restart(name::KILL, Ending::Killed),
            Step::Acks => self.acks(),
            Step::Drain => self.drain(),
        }
    }

    fn empty(&mut self) -> Result<()> {
        let (nearly, short) = (self.options.queues, self.options.queues + 1);
        let every = self.options.receipt_every;
        let (site, pid, length) = (self.site()?, self.pid()?, self.length());
        self.broker()?.begin()?;
        let mut traffic = Traffic::new(site, &mut self.ledger)?;
        traffic.add_consumer(std::iter::once(nearly), PREFETCH)?;
        traffic.add_publisher(every)?;
        let meter = Meter::start(pid)?;
        let mut plan = Plan {
            left: u64::MAX,
            ahead_max: AHEAD_MAX,
            queue_of: |_| nearly,
        };
        traffic.run_for(&mut plan, length, |_| false)?;
        let (span, published, consumed) = (meter.span()?, traffic.confirmed(), traffic.consumed);
        traffic.confirm_all(|_| nearly)?;
        traffic.run(&mut Plan::none(), |own| own.ledger.waiting() == 0)?;
        traffic.close()?;
        self.finish(name::EMPTY, span, published, consumed)?;

        let mut traffic = Traffic::new(site, &mut self.ledger)?;
        traffic.add_publisher(every)?;
        let mut plan = Plan {
            left: SHORT_COUNT,
            ahead_max: u64::MAX,
            queue_of: |_| short,
        };
        traffic.run(&mut plan, |own| own.confirmed() == SHORT_COUNT)?;
        traffic.close()?;
        self.broker()?.begin()?;
        let mut traffic = Traffic::new(site, &mut self.ledger)?;
        let meter = Meter::start(pid)?;
        traffic.add_consumer(std::iter::once(short), PREFETCH)?;
        traffic.run(&mut Plan::none(), |own| own.ledger.waiting() == 0)?;
        let span = meter.span()?;
        traffic.close()?;
        self.finish(name::SHORT, span, 0, SHORT_COUNT)?;
        if self.options.queues > 1 {
            self.empty_all()?;
        }
        Ok(())
    }

    /// The same with all the queues of the backlog, which are made before it is measured.
    fn empty_all(&mut self) -> Result<()> {
        let queues = self.options.queues;
        let queue_of = |number| Spread::RoundRobin.queue_of(number, u64::MAX, queues);
        let every = self.options.receipt_every;
        let (site, pid, length) = (self.site()?, self.pid()?, self.length());
        self.broker()?.begin()?;
        let mut traffic = consume_all(site, queues, &mut self.ledger)?;
        traffic.add_publisher(every)?;
        let mut once = Plan {
            left: u64::from(queues),
            ahead_max: AHEAD_MAX,
            queue_of,
        };
        traffic.run(&mut once, |own| own.consumed == u64::from(queues))?;
        let (meter, published, consumed) =
            (Meter::start(pid)?, traffic.confirmed(), traffic.consumed);
        let mut plan = Plan {
            left: u64::MAX,
            ..once
        };
        traffic.run_for(&mut plan, length, |_| false)?;
        let span = meter.span()?;
        let published = traffic.confirmed() - published;
        let consumed = traffic.consumed - consumed;
        traffic.confirm_all(queue_of)?;
        traffic.run(&mut Plan::none(), |own| own.ledger.waiting() == 0)?;
        traffic.close()?;
        self.finish(name::EMPTY_ALL, span, published, consumed)?;

        let mut traffic = Traffic::new(site, &mut self.ledger)?;
        traffic.add_publisher(every)?;
        let mut plan = Plan {
            left: SHORT_COUNT,
            ahead_max: u64::MAX,
            queue_of,
        };
        traffic.run(&mut plan, |own| own.confirmed() == SHORT_COUNT)?;
        traffic.close()?;
        self.broker()?.begin()?;
        let meter = Meter::start(pid)?;
        let mut traffic = consume_all(site, queues, &mut self.ledger)?;
        traffic.run(&mut Plan::none(), |own| own.ledger.waiting() == 0)?;
        let span = meter.span()?;
        traffic.close()?;
        self.finish(name::SHORT_ALL, span, 0, SHORT_COUNT)
    }

    fn fill(&mut self) -> Result<()> {
        let BacklogOptions {
            messages,
            queues,
            spread,
            ..
        } = *self.options;
        let (site, pid) = (self.site()?, self.pid()?);
        self.broker()?.begin()?;
        let mut traffic = Traffic::new(site, &mut self.ledger)?;
        traffic.add_publisher(self.options.receipt_every)?;
        let mut plan = Plan {
            left: messages,
            ahead_max: u64::MAX,
            queue_of: |number| spread.queue_of(number, messages, queues),
        };
        let broker = self.broker.as_ref().context("there is no broker")?;
        let body = self.options.body as u64;
        let part = |name, meter: &Meter, published, waiting: u64| -> Result<Row> {
            Ok(Row {
                name,
                span: Some(meter.span()?),
                published,
                weight: broker.weigh()?,
                live_bytes: waiting * body,
                ..Row::default()
            })
        };
        let all = Meter::start(pid)?;
        let goal = SHORT_COUNT.min(messages / 2);
        traffic.run(&mut plan, |own| own.confirmed() >= goal)?;
        let begin = part(name::FILL_BEGIN, &all, traffic.confirmed(), traffic.sent())?;
        let goal = messages - messages / 10;
        traffic.run(&mut plan, |own| own.confirmed() >= goal)?;
        let earlier = broker.weigh()?;
        broker.begin()?;
        let (last, before) = (Meter::start(pid)?, traffic.confirmed());
        traffic.run(&mut plan, |own| own.confirmed() == messages)?;
        let count = messages - before;
        let last = part(name::FILL_END, &last, count, messages)?;
        let mut all = part(name::FILL, &all, messages, messages)?;
        all.weight = all.weight.after(earlier);
        traffic.close()?;
        [begin, last, all]
            .into_iter()
            .for_each(|row| self.keep(row));
        Ok(())
    }

    /// Ends early rather than at no depth, if the first queue has any; then publishes again what it took.
    fn depth(&mut self) -> Result<()> {
        let (site, pid, length) = (self.site()?, self.pid()?, self.length());
        let every = self.options.receipt_every;
        let depth = self.ledger.waiting_in(0);
        let depth_min = if depth > DEEP { depth / 2 } else { 0 };
        self.broker()?.begin()?;
        let mut traffic = Traffic::new(site, &mut self.ledger)?;
        traffic.add_consumer(std::iter::once(0), PREFETCH)?;
        traffic.add_publisher(every)?;
        let meter = Meter::start(pid)?;
        let mut plan = Plan::to_first(u64::MAX);
        traffic.run_for(&mut plan, length, |own| {
            own.ledger.waiting_in(0) < depth_min
        })?;
        let (span, published, consumed) = (meter.span()?, traffic.confirmed(), traffic.consumed);
        traffic.confirm_all(|_| 0)?;
        traffic.close()?;
        self.finish(name::DEPTH, span, published, consumed)?;

        let missing = depth.saturating_sub(self.ledger.waiting_in(0));
        self.broker()?.begin()?;
        let mut traffic = Traffic::new(site, &mut self.ledger)?;
        traffic.add_publisher(every)?;
        let meter = Meter::start(pid)?;
        traffic.run(&mut Plan::to_first(missing), |own| {
            own.confirmed() == missing
        })?;
        let span = meter.span()?;
        traffic.close()?;
        self.finish(name::DEPTH_FILL, span, missing, 0)
    }

    fn restart(&mut self, name: &'static str, ending: Ending) -> Result<()> {
        let broker = self.broker.take().context("there is a broker")?;
        broker.begin()?;
        let (broker, restart) = broker.restart(ending)?;
        let broker = self.broker.insert(broker);
        let site = Site {
            address: broker.address,
            body_bytes: self.options.body,
        };
        let first = First::take(site, 0, &mut self.ledger)?;
        let times = RestartTimes {
            stop_ns: restart.stop_ns,
            ready_ns: restart.ready_ns,
            first_ns: restart.clock.now_ns(),
        };
        let cpu_s = seconds(broker.cpu_ns()?);
        let note = format!(
            "stopped in {:.3} s, ready in {:.3} s, first delivery{} in {:.3} s, CPU until then {cpu_s:.3} s",
            seconds(times.stop_ns),
            seconds(times.ready_ns),
            if first.is_redelivered { " (again)" } else { "" },
            seconds(times.first_ns),
        );
        self.row(Row {
            name,
            restart: Some(times),
            note,
            ..Row::default()
        })?;
        first.close();
        Ok(())
    }

    fn acks(&mut self) -> Result<()> {
        let (site, pid) = (self.site()?, self.pid()?);
        self.broker()?.begin()?;
        let holder = First::take(site, 0, &mut self.ledger)?;
        let drain = self.options.drain.unwrap_or(self.options.messages / 10);
        let count = drain.min(self.ledger.waiting_in(0).saturating_sub(1));
        let meter = Meter::start(pid)?;
        let mut sieve = Sieve::run(site, 0, count, &mut self.ledger)?;
        let span = meter.span()?;
        sieve.quiesce(&mut self.ledger)?;
        let held = holder.identity.sequence;
        self.holder = Some(holder);
        let note = format!(
            "{} of {count} in random order, message {held} held",
            sieve.acked
        );
        self.row(Row {
            name: name::ACKS,
            span: Some(span),
            consumed: sieve.acked,
            note,
            ..Row::default()
        })?;
        self.settle(name::ACKS_SETTLED)?;
        sieve.close();
        Ok(())
    }

    fn drain(&mut self) -> Result<()> {
        let (site, pid) = (self.site()?, self.pid()?);
        let settled = self.ledger.settled();
        let held = u64::from(self.holder.is_some());
        self.broker()?.begin()?;
        let meter = Meter::start(pid)?;
        let mut traffic = consume_all(site, self.options.queues, &mut self.ledger)?;
        traffic.run(&mut Plan::none(), |own| own.ledger.waiting() <= held)?;
        let span = meter.span()?;
        if let Some(holder) = self.holder.take() {
            holder.close();
        }
        traffic.run(&mut Plan::none(), |own| own.ledger.waiting() == 0)?;
        traffic.close()?;
        let (consumed, again) = (self.ledger.settled() - settled, self.ledger.again());
        self.row(Row {
            name: name::DRAIN,
            span: Some(span),
            consumed,
            note: format!(
                "nothing lost, in order; {again} came again after their acknowledgment, marked"
            ),
            ..Row::default()
        })?;
        self.settle(name::DRAINED)?;

        let mut traffic = consume_all(site, self.options.queues, &mut self.ledger)?;
        traffic.run_for(&mut Plan::none(), NOTHING, |_| false)?;
        let strays = traffic.consumed;
        traffic.close()?;
        ensure!(
            strays == 0,
            "{strays} messages came again after all had been acknowledged"
        );
        Ok(())
    }

    /// A row of what the disk comes to.
    fn settle(&mut self, name: &'static str) -> Result<()> {
        self.broker()?.begin()?;
        let settled = self.broker()?.settle_disk()?;
        let state = if settled.is_settled {
            "unchanged"
        } else {
            "STILL CHANGING"
        };
        self.row(Row {
            name,
            note: format!("{state} after {:.1} s", settled.seconds),
            ..Row::default()
        })
    }

    fn finish(
        &mut self,
        name: &'static str,
        span: Span,
        published: u64,
        consumed: u64,
    ) -> Result<()> {
        self.row(Row {
            name,
            span: Some(span),
            published,
            consumed,
            ..Row::default()
        })
    }

    /// Keeps a row with what the broker takes now.
    fn row(&mut self, row: Row) -> Result<()> {
        let row = Row {
            weight: self.broker()?.weigh()?,
            live_bytes: self.ledger.waiting() * self.options.body as u64,
            ..row
        };
        self.keep(row);
        Ok(())
    }

    fn keep(&mut self, row: Row) {
        progress(format_args!("    {row}"));
        self.rows.push(row);
    }

    fn site(&self) -> Result<Site> {
        Ok(Site {
            address: self.broker()?.address,
            body_bytes: self.options.body,
        })
    }

    fn pid(&self) -> Result<u32> {
        Ok(self.broker()?.pid())
    }

    fn broker(&self) -> Result<&Broker> {
        self.broker.as_ref().context("there is no broker")
    }

    fn length(&self) -> Duration {
        Duration::from_secs_f64(self.options.seconds)
    }
}

/// Consumers of all queues of the backlog, on as few connections as may be.
fn consume_all(site: Site, queues: u32, ledger: &mut Ledger) -> Result<Traffic<'_>> {
    let prefetch = (PREFETCH_OF_ALL / queues).clamp(PREFETCH_MIN, PREFETCH);
    let connections = queues.div_ceil(SUBSCRIPTIONS_MAX);
    let mut traffic = Traffic::new(site, ledger)?;
    for first in 0..connections {
        let own = (first..queues).step_by(connections as usize);
        traffic.add_consumer(own, prefetch)?;
    }
    Ok(traffic)
}
