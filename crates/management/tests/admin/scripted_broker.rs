//! A waist that answers every command as a test says.

use broker_api::{Command, Event, Out, Refusal, Reply, Session};
use bytes::BytesMut;
use management::Admin;
use model::{CommandId, Instant};

/// A session with its driver.
pub(crate) struct Driven {
    pub(crate) session: Admin,
    pub(crate) out: Out,
    input: BytesMut,
    /// All bytes to the client.
    pub(crate) wire: String,
    /// All commands, as text.
    pub(crate) log: Vec<String>,
    /// The last command.
    pub(crate) command: Option<Command>,
    /// What the next commands behind `Connect` are answered.
    pub(crate) answers: Vec<Result<Reply, Refusal>>,
}

impl Driven {
    pub(crate) fn new() -> Self {
        Self {
            session: Admin::new(),
            out: Out::new(),
            input: BytesMut::new(),
            wire: String::new(),
            log: Vec::new(),
            command: None,
            answers: Vec::new(),
        }
    }

    /// Gives bytes to the session, and answers whatever it asks.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.out.is_closing() {
            return;
        }
        self.input.extend_from_slice(bytes);
        loop {
            self.read();
            if self.out.is_closing() {
                return;
            }
            let Some(id) = self.waiting() else { return };
            let is_connect = matches!(self.command, Some(Command::Connect(_)));
            let done = if is_connect || self.answers.is_empty() {
                Ok(Reply::Nothing)
            } else {
                self.answers.remove(0)
            };
            self.handle_event(Event::Done(id, done));
        }
    }

    /// Gives bytes to the session without answering anything.
    pub(crate) fn feed_unanswered(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.read();
    }

    pub(crate) fn handle_event(&mut self, event: Event) {
        self.session
            .handle_event(Instant::default(), event, &mut self.out);
        self.collect();
    }

    /// The command that the session waits for.
    fn waiting(&self) -> Option<CommandId> {
        self.out
            .is_held()
            .then(|| CommandId(u64::try_from(self.log.len()).unwrap()))
    }

    fn read(&mut self) {
        self.session
            .handle_input(Instant::default(), &mut self.input, &mut self.out);
        self.collect();
    }

    fn collect(&mut self) {
        self.wire
            .push_str(&String::from_utf8(self.out.wire.take()).unwrap());
        for submission in self.out.commands.drain(..) {
            self.log.push(format!("{:?}", submission.command));
            // Ids are counted up by one, which `waiting` relies on.
            assert_eq!(submission.id.0, self.log.len() as u64);
            self.command = Some(submission.command);
        }
    }
}
