//! A client that speaks AMQP, and what it finds wrong in what the broker says.
//!
//! It publishes on one channel, which has confirms, and reads on another. Its transactions are those of the channel
//! it reads on, or of a third one if it reads nothing. Beside what it is asked for, it opens and closes channels,
//! publishes what nobody gets, and talks to itself through a queue of its own ([`Echo`]).

use super::echo::Echo;
use super::publishing::Publishing;
use super::reading::Reading;
use super::receipt;
use crate::world::Wire;
use client::Frame;
use client::amqp::{Answer, Answers, Argument, Declare, Login, Requests, method};
use fastrand::Rng;
use std::collections::VecDeque;

/// Where it publishes.
pub(super) const PUBLISHING: u16 = 1;
/// Where it reads.
pub(super) const READING: u16 = 2;
/// Where its transactions are if it reads nothing.
const TRANSACTIONS: u16 = 3;
/// Where it talks to itself.
pub(super) const ECHO: u16 = 4;
/// What it opens and closes.
const SPARE: u16 = 5;

/// A client that speaks AMQP.
pub struct Amqp {
    pub(super) wire: Wire,
    pub(super) rng: Rng,
    pub(super) requests: Requests,
    answers: Answers,
    /// What the client is to be told.
    pub(super) ready: VecDeque<Frame>,
    pub(super) publishing: Publishing,
    pub(super) reading: Option<Reading>,
    pub(super) echo: Option<Echo>,
    /// Whether what it reads is settled in transactions only.
    is_transactional: bool,
    transactions: Transactions,
    is_blocked: bool,
    end: End,
}

/// The transactions of one channel.
#[derive(Default)]
struct Transactions {
    /// Whether the channel of a client that reads nothing is there.
    is_selected: bool,
    /// Whether the client has begun one.
    is_open: bool,
    /// What the open one sends to nobody.
    lost: VecDeque<String>,
    /// Those that are not answered.
    commits: VecDeque<Commit>,
    /// Rollbacks that are not answered.
    rollbacks: u32,
}

/// A commit that is not answered.
struct Commit {
    /// What the client has asked for.
    receipt: Option<String>,
    /// What comes back before the answer.
    to_be_returned: VecDeque<String>,
}

/// How far a connection is from its end.
#[derive(PartialEq, Eq)]
enum End {
    None,
    /// `connection.close` was sent; the client may have asked for a receipt.
    Asked(Option<String>),
    /// The broker has closed the connection, or a channel.
    Failed,
    Over,
}

impl Amqp {
    /// A client on a wire. `settles_together` if what it reads is settled in the transactions in which it sends.
    #[must_use]
    pub fn new(wire: Wire, seed: u64, settles_together: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        Self {
            wire,
            requests: Requests::default(),
            answers: Answers::default(),
            ready: VecDeque::new(),
            publishing: Publishing::default(),
            reading: None,
            echo: (rng.u32(..3) == 0).then(|| Echo::draw(&mut rng)),
            is_transactional: settles_together || rng.bool(),
            rng,
            transactions: Transactions::default(),
            is_blocked: false,
            end: End::None,
        }
    }

    pub(super) fn confirms_settlements(&self) -> bool {
        self.is_transactional
    }

    pub(super) fn push(&mut self, frame: &Frame) {
        let receipt = frame.header("receipt").map(str::to_owned);
        match frame.command.as_str() {
            "CONNECT" => self.open(),
            "DECLARE" => self.declare(PUBLISHING, frame),
            "SUBSCRIBE" => self.subscribe(frame),
            "SEND" => self.send(frame, receipt),
            "ACK" | "NACK" => self.settle(frame, receipt),
            "RECOVER" => self.recover(),
            "REOPEN" => self.reopen(),
            "BEGIN" => self.begin(),
            "COMMIT" => self.commit(receipt),
            "ABORT" => self.roll_back(),
            "UNSUBSCRIBE" => self.cancel(),
            "DISCONNECT" => {
                if self.reading.is_some() && self.rng.bool() {
                    self.close_reading();
                }
                self.requests.close();
                self.end = End::Asked(receipt);
            }
            other => panic!("{other} is nothing to be said in AMQP"),
        }
        let bytes = self.requests.take();
        self.wire.push(&bytes);
    }

    fn open(&mut self) {
        self.requests.open(&Login {
            capabilities: &["connection.blocked", "consumer_cancel_notify"],
            heartbeat_s: 0,
        });
        self.requests.channel_open(PUBLISHING);
        self.requests.confirm_select(PUBLISHING);
        self.open_echo();
    }

    /// Makes the queue of a frame, as it is there already, or is to be.
    pub(super) fn declare(&mut self, channel: u16, frame: &Frame) {
        let destination = frame.header("destination").expect("a frame says where");
        let Some(queue) = destination.strip_prefix("/queue/") else {
            return;
        };
        let rules = frame.headers.iter();
        let rules = rules.filter(|(name, _)| name.starts_with("x-"));
        let arguments: Vec<_> = rules
            .map(|(name, value)| {
                let number = value.parse().map(Argument::Number);
                (name.as_str(), number.unwrap_or(Argument::Text(value)))
            })
            .collect();
        self.requests.declare(
            channel,
            &Declare {
                queue,
                durable: true,
                arguments: &arguments,
                ..Declare::default()
            },
        );
    }

    /// Opens a channel and closes it again.
    pub(super) fn open_and_close(&mut self) {
        self.requests.channel_open(SPARE);
        if self.rng.bool() {
            self.requests.confirm_select(SPARE);
        }
        self.requests.channel_close(SPARE);
    }

    /// Where its transactions are.
    pub(super) const fn transactional_channel(&self) -> u16 {
        if self.reading.is_some() {
            READING
        } else {
            TRANSACTIONS
        }
    }

    fn begin(&mut self) {
        assert!(!self.transactions.is_open, "one at a time");
        self.transactions.is_open = true;
        if self.reading.is_none() && !self.transactions.is_selected {
            self.transactions.is_selected = true;
            self.requests.channel_open(TRANSACTIONS);
            self.requests.tx_select(TRANSACTIONS);
        }
    }

    pub(super) fn commit(&mut self, receipt: Option<String>) {
        self.transactions.is_open = false;
        let to_be_returned = std::mem::take(&mut self.transactions.lost);
        self.transactions.commits.push_back(Commit {
            receipt,
            to_be_returned,
        });
        self.requests.commit(self.transactional_channel());
        if let Some(reading) = &mut self.reading {
            reading.commit();
        }
    }

    fn roll_back(&mut self) {
        self.transactions.is_open = false;
        self.transactions.lost.clear();
        self.transactions.rollbacks += 1;
        self.requests.rollback(self.transactional_channel());
        if let Some(reading) = &mut self.reading {
            reading.roll_back();
        }
    }

    /// Something is sent in the open transaction that nobody gets.
    pub(super) fn lose(&mut self, body: String) {
        self.transactions.lost.push_back(body);
    }

    /// Something comes back from the transaction whose commit is answered next.
    fn take_returned(&mut self, channel: u16, body: &[u8]) {
        assert_eq!(channel, self.transactional_channel());
        let commit = self.transactions.commits.front_mut();
        let expected = commit.and_then(|commit| commit.to_be_returned.pop_front());
        let expected = expected.expect("what is returned was published so");
        assert_eq!(expected.as_bytes(), body, "returned in order");
    }

    /// Whether it has said, or was told, that this is the end.
    pub(super) fn is_ending(&self) -> bool {
        self.end != End::None
    }

    pub(super) const fn is_in_transaction(&self) -> bool {
        self.transactions.is_open
    }

    pub(super) fn read(&mut self) -> Option<Frame> {
        let bytes = std::mem::take(&mut self.wire.to_client);
        self.answers.push(&bytes);
        self.get();
        let bytes = self.requests.take();
        if !bytes.is_empty() {
            self.wire.push(&bytes);
        }
        while self.ready.is_empty() {
            let next = self.answers.read().expect("the broker sends frames");
            let (channel, answer) = next?;
            self.take(channel, answer);
            let bytes = self.requests.take();
            self.wire.push(&bytes);
        }
        self.ready.pop_front()
    }

    fn take(&mut self, channel: u16, answer: Answer) {
        assert!(self.end != End::Over, "{answer:?} behind the end");
        match answer {
            Answer::Done(id) => self.take_done(channel, id),
            // What was on its way when a channel was closed by the broker means nothing any more.
            _ if self.end == End::Failed => {}
            Answer::Declared { queue, .. } if channel == ECHO => self.begin_echo(queue),
            Answer::Declared { .. } | Answer::Heartbeat => {}
            Answer::Delivered(delivered) if channel == ECHO => self.take_echo(&delivered),
            Answer::Delivered(delivered) => {
                assert_eq!(channel, READING, "{delivered:?}");
                self.take_delivered(delivered);
            }
            Answer::Returned(body) if channel == PUBLISHING => {
                self.publishing.take_returned(&body);
            }
            Answer::Returned(body) => self.take_returned(channel, &body),
            Answer::Ack { tag, multiple } => self.take_confirm(channel, tag, multiple, true),
            Answer::Nack { tag, multiple } => self.take_confirm(channel, tag, multiple, false),
            Answer::Canceled(tag) => {
                let reading = self.reading.as_mut().filter(|_| channel == READING);
                reading.expect("a consumer").take_canceled(&tag);
            }
            Answer::Ended(tag) => self.take_ended(&tag),
            Answer::Closed { code, text } => self.take_closed(channel, code, &text),
            Answer::Blocked(reason) => {
                assert!(!self.is_blocked, "blocked twice: {reason}");
                self.is_blocked = true;
            }
            Answer::Unblocked => {
                assert!(self.is_blocked, "it was not blocked");
                self.is_blocked = false;
            }
        }
    }

    fn take_done(&mut self, channel: u16, id: (u16, u16)) {
        match id {
            method::OPEN_OK => self.ready.push_back(Frame::new("CONNECTED", &[])),
            method::CLOSE_OK => {
                let end = std::mem::replace(&mut self.end, End::Over);
                if let End::Asked(Some(id)) = end {
                    self.ready.push_back(receipt(&id));
                }
                // What was not confirmed by now never is.
                self.ready.push_back(Frame::new("GONE", &[]));
            }
            _ if self.end == End::Failed => {}
            method::COMMIT_OK => {
                assert_eq!(channel, self.transactional_channel());
                let commit = self.transactions.commits.pop_front();
                let commit = commit.expect("a commit that was asked for");
                assert_eq!(commit.to_be_returned, [""; 0], "it comes back before");
                self.ready.push_back(Frame::new("COMMITTED", &[]));
                self.ready.extend(commit.receipt.as_deref().map(receipt));
            }
            method::ROLLBACK_OK => self.transactions.rollbacks -= 1,
            method::CONSUME_OK if channel == READING => {
                self.reading.as_mut().expect("a consumer").take_begun();
            }
            method::GET_EMPTY if channel == READING => {
                self.reading.as_mut().expect("a reader").take_empty();
            }
            method::RECOVER_OK => self.reading.as_mut().expect("a reader").take_recovered(),
            method::CHANNEL_CLOSE_OK if channel == READING => {
                self.reading.as_mut().expect("a reader").take_closed();
            }
            method::CONSUME_OK
            | method::CHANNEL_OPEN_OK
            | method::CHANNEL_CLOSE_OK
            | method::CONFIRM_SELECT_OK
            | method::TX_SELECT_OK
            | method::QOS_OK => {}
            other => panic!("{other:?} was not asked for"),
        }
    }

    /// The queue is gone. As nobody deletes it, it is out of service: what other clients say then is said here.
    fn take_ended(&mut self, tag: &str) {
        let text = format!("consumer {tag} has ended, its queue is damaged on the disk");
        self.take_closed(READING, 0, &text);
    }

    /// The broker refuses something. The client gives up as one of STOMP must.
    fn take_closed(&mut self, channel: u16, code: u16, text: &str) {
        self.end = End::Failed;
        let mut frame = Frame::new("ERROR", &[]);
        frame.body = format!("{code} {text}").into_bytes();
        let is_refused = channel == self.transactional_channel() && code > 0;
        if is_refused && !self.transactions.commits.is_empty() {
            let header = ("refused".to_owned(), "commit".to_owned());
            frame.headers.push(header);
        }
        self.ready.push_back(frame);
        if channel == 0 {
            self.requests.close_ok();
        } else {
            if code > 0 {
                self.requests.channel_close_ok(channel);
            }
            self.requests.close();
        }
    }
}
