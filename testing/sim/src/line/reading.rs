//! What a client that speaks AMQP reads, from a queue: tags ascend by one on their channel, no more is in hand than the
//! prefetch, and nothing comes before `consume-ok` or behind `cancel-ok`. Or it has no consumer, and gets one by one.

use super::amqp::{Amqp, READING};
use client::Frame;
use client::amqp::Delivered;
use std::collections::BTreeSet;

/// The tag of the consumer.
const TAG: &str = "reader";

/// A consumer on a channel of its own.
pub(super) struct Reading {
    queue: String,
    no_ack: bool,
    /// Whether an ACK is of all before it, too.
    is_cumulative: bool,
    prefetch_count: Option<u16>,
    /// If it gets, rather than consumes: whether an answer to that is awaited.
    gets: Option<bool>,
    stage: Stage,
    last_tag: u64,
    /// What is not settled.
    in_hand: BTreeSet<u64>,
    /// What is settled by the transaction that is open.
    gathered: BTreeSet<u64>,
    /// Times that `recover` is not answered.
    recovers: u32,
    /// Times that the channel is closed and that is not answered.
    closings: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// `consume-ok` has not come.
    Begins,
    Runs,
    /// `cancel` was sent.
    Ends,
    /// `cancel-ok` has come.
    Over,
}

impl Reading {
    pub(super) fn take_begun(&mut self) {
        // One of a channel that is closed meanwhile.
        if self.closings > 0 {
            return;
        }
        match self.stage {
            Stage::Begins => self.stage = Stage::Runs,
            Stage::Ends => {}
            Stage::Runs | Stage::Over => panic!("a second consume-ok"),
        }
    }

    pub(super) fn take_canceled(&mut self, tag: &str) {
        assert_eq!((self.stage, tag), (Stage::Ends, TAG));
        self.stage = Stage::Over;
    }

    pub(super) fn take_recovered(&mut self) {
        self.recovers -= 1;
    }

    /// There was nothing to get.
    pub(super) fn take_empty(&mut self) {
        self.take_got();
    }

    /// What the last channel was asked for has no answer on this one.
    fn take_got(&mut self) {
        if self.closings == 0 {
            assert_eq!(
                self.gets.replace(false),
                Some(true),
                "nothing was asked for"
            );
        }
    }

    /// Whether it is to get another one.
    fn wants(&self) -> bool {
        let count = self.in_hand.len() + self.gathered.len();
        let prefetch = self.prefetch_count.map_or(usize::MAX, usize::from);
        self.gets == Some(false) && self.stage == Stage::Runs && count < prefetch
    }

    pub(super) fn take_closed(&mut self) {
        self.closings -= 1;
        self.last_tag = 0;
    }

    pub(super) fn commit(&mut self) {
        self.gathered.clear();
    }

    pub(super) fn roll_back(&mut self) {
        self.in_hand.append(&mut self.gathered);
    }

    /// Counts what has come. Returns whether it is the client's to settle.
    fn take(&mut self, delivered: &Delivered) -> bool {
        if self.gets.is_some() {
            assert_eq!(delivered.consumer, "", "there is no consumer");
            self.take_got();
        } else {
            assert_eq!(delivered.consumer, TAG);
        }
        assert!(
            matches!(self.stage, Stage::Runs | Stage::Ends) || self.closings > 0,
            "{:?}: {delivered:?}",
            self.stage
        );
        self.last_tag += 1;
        assert_eq!(delivered.tag, self.last_tag, "tags are dense");
        if self.recovers > 0 || self.closings > 0 {
            return false;
        }
        if !self.no_ack {
            self.in_hand.insert(delivered.tag);
            let count = self.in_hand.len() + self.gathered.len();
            let prefetch = self.prefetch_count.map_or(usize::MAX, usize::from);
            assert!(count <= prefetch, "{count} in hand of {prefetch}");
        }
        true
    }
}

impl Amqp {
    pub(super) fn subscribe(&mut self, frame: &Frame) {
        let destination = frame.header("destination").expect("a SUBSCRIBE says where");
        let queue = match destination.strip_prefix("/queue/") {
            Some(queue) => queue.to_owned(),
            None => {
                let id = frame.header("id").expect("a SUBSCRIBE has an id");
                let pattern = destination.strip_prefix("/topic/").expect("a topic");
                format!("stomp-subscription-{id}@amq.topic/{pattern}")
            }
        };
        let prefetch_count = frame.header("prefetch-count");
        let prefetch_count: Option<u16> = prefetch_count.map(|it| it.parse().expect("a number"));
        let gets = prefetch_count.is_some() && self.rng.u32(..5) == 0;
        self.reading = Some(Reading {
            queue,
            no_ack: frame.header("ack") == Some("auto"),
            is_cumulative: frame.header("ack") == Some("client"),
            prefetch_count,
            gets: gets.then_some(false),
            stage: Stage::Begins,
            last_tag: 0,
            in_hand: BTreeSet::new(),
            gathered: BTreeSet::new(),
            recovers: 0,
            closings: 0,
        });
        self.requests.channel_open(READING);
        self.declare(READING, frame);
        self.begin_reading();
    }

    fn begin_reading(&mut self) {
        let is_global = self.rng.bool();
        if self.confirms_settlements() {
            self.requests.tx_select(READING);
        }
        let Some(reading) = &mut self.reading else {
            return;
        };
        if reading.gets.is_some() {
            reading.gets = Some(false);
            reading.stage = Stage::Runs;
            return;
        }
        if let Some(prefetch_count) = reading.prefetch_count {
            self.requests.qos(READING, prefetch_count, is_global);
        }
        reading.stage = Stage::Begins;
        self.requests
            .consume(READING, &reading.queue, TAG, reading.no_ack);
    }

    /// Gets another one, now and then.
    pub(super) fn get(&mut self) {
        if self.is_ending() || self.rng.u32(..3) > 0 {
            return;
        }
        let wants = self.reading.as_mut().filter(|it| it.wants());
        if let Some(reading) = wants {
            reading.gets = Some(true);
            self.requests.get(READING, &reading.queue, reading.no_ack);
        }
    }

    /// Settles, by `basic.ack`, `nack` or `reject`; where what it reads is settled by transactions, in the one that is
    /// open, or in one for this alone.
    pub(super) fn settle(&mut self, frame: &Frame, receipt: Option<String>) {
        let reading = self.reading.as_mut().expect("who settles reads");
        let tag = frame.header("id").expect("what is settled has a tag");
        let tag = tag.parse().expect("a tag is a number");
        let multiple = reading.is_cumulative;
        let requeue = frame.header("requeue") != Some("false");
        match frame.command.as_str() {
            "ACK" => self.requests.ack(READING, tag, multiple),
            _ if multiple || self.rng.bool() => {
                self.requests.nack(READING, tag, multiple, requeue);
            }
            _ => self.requests.reject(READING, tag, requeue),
        }
        let first = if multiple { 0 } else { tag };
        let mut settled: BTreeSet<_> = reading.in_hand.range(first..=tag).copied().collect();
        reading.in_hand.retain(|it| !settled.contains(it));
        assert!(settled.contains(&tag), "{tag} was in hand");
        let is_in_transaction = frame.header("transaction").is_some();
        if is_in_transaction {
            reading.gathered.append(&mut settled);
        } else if self.confirms_settlements() {
            assert!(!self.is_in_transaction(), "all of a channel are in it");
            self.commit(receipt);
        } else {
            assert_eq!(receipt, None, "it has no receipt");
        }
    }

    /// Gives back all that is in hand, and what is on its way.
    pub(super) fn recover(&mut self) {
        let reading = self.reading.as_mut().expect("who gives back reads");
        reading.recovers += 1;
        reading.in_hand.clear();
        self.requests.recover(READING);
    }

    pub(super) fn cancel(&mut self) {
        let reading = self.reading.as_mut().expect("who cancels reads");
        reading.stage = Stage::Ends;
        if reading.gets.is_some() {
            return;
        }
        self.requests.cancel(READING, TAG);
    }

    pub(super) fn close_reading(&mut self) {
        let reading = self.reading.as_mut().expect("who closes it reads");
        reading.closings += 1;
        reading.in_hand.clear();
        self.requests.channel_close(READING);
    }

    /// Begins again on another channel with the same number.
    pub(super) fn reopen(&mut self) {
        self.close_reading();
        self.requests.channel_open(READING);
        self.begin_reading();
    }

    pub(super) fn take_delivered(&mut self, delivered: Delivered) {
        let reading = self.reading.as_mut().expect("who gets something reads");
        let is_kept = reading.take(&delivered);
        if !is_kept && reading.closings > 0 && !reading.no_ack {
            // It goes back with its channel, and nobody has looked at it.
            return;
        }
        let tag = delivered.tag.to_string();
        let mut frame = Frame::new("MESSAGE", &[("ack", &tag)]);
        if delivered.redelivered {
            frame
                .headers
                .push(("redelivered".to_owned(), "true".to_owned()));
        }
        if !is_kept {
            frame
                .headers
                .push(("returned".to_owned(), "true".to_owned()));
        }
        if reading.gets.is_some() {
            frame.headers.push(("got".to_owned(), "true".to_owned()));
        }
        let died_in = delivered.header("x-first-death-queue");
        let died_in = died_in.map(|queue| ("x-first-death-queue".to_owned(), queue.to_owned()));
        frame.headers.extend(died_in);
        frame.body = delivered.body;
        self.ready.push_back(frame);
    }
}
