//! The broker's side of an admin connection.

use crate::{Answer, Request, Response};
use broker_api::{Command, Connect, Event, Numbering, Out, Refusal, Reply, Session};
use bytes::{Buf, BytesMut};
use model::{CommandId, ConversationId, Instant};

/// The longest line that a client may send, in bytes without the line end.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// What a session is charged with while a client waits for an answer, in bytes. It keeps the command's
/// id alone; the broker keeps the rest.
const WAITING_BYTES: usize = 1;

/// An admin connection: one JSON object per line each way, one request at a time.
///
/// ```text
///  New ── first bytes ──► Waiting(Connect) ── Done ──► Ready ── request ──► Waiting
///                                 │                      ▲                     │
///                              refused                   └──────── Done ───────┘
///                                 ▼
///                             closed  ◄── a line over the limit, the broker stops: from any
/// ```
///
/// A line that is no request is answered with an error, and the connection goes on. Empty lines are passed
/// over.
#[derive(Debug, Default)]
pub struct Admin {
    state: State,
    numbering: Numbering,
    /// The first bytes of the input that are known to hold no line end.
    scanned: usize,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing was read.
    #[default]
    New,
    /// Nothing is read until this command is answered.
    Waiting { command: CommandId, asked: Asked },
    /// The next line can be read.
    Ready,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// To be let in.
    Connect,
    /// What its client asked for.
    Request,
}

impl Admin {
    /// A connection on which nothing has been said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn ask(&mut self, command: Command, asked: Asked, out: &mut Out) {
        let command = self.numbering.barrier(out, ConversationId(0), command);
        self.state = State::Waiting { command, asked };
    }

    fn handle_line(&mut self, line: &[u8], out: &mut Out) {
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        match read_request(line) {
            Ok(command) => self.ask(command, Asked::Request, out),
            Err(error) => put_error(error, out),
        }
    }

    fn handle_done(&mut self, id: CommandId, done: Result<Reply, Refusal>, out: &mut Out) {
        let State::Waiting { command, asked } = self.state else {
            return;
        };
        if command != id {
            return;
        }
        self.state = State::Ready;
        match (done, asked) {
            (Ok(_), Asked::Connect) => {}
            (Ok(reply), Asked::Request) => put(&Response::Ok(Answer::from(&reply)), out),
            (Err(refusal), Asked::Request) => put_error(refusal.to_string(), out),
            (Err(refusal), Asked::Connect) => {
                put_error(refusal.to_string(), out);
                out.close();
            }
        }
        out.release_barrier();
    }
}

impl Session for Admin {
    fn handle_input(&mut self, _: Instant, input: &mut BytesMut, out: &mut Out) {
        if matches!(self.state, State::New) && !input.is_empty() {
            let connect = Connect {
                login: None,
                vhost: Vec::new(),
                identity: None,
            };
            self.ask(Command::Connect(Box::new(connect)), Asked::Connect, out);
        }
        while !out.is_held() {
            let end = input[self.scanned..].iter().position(|byte| *byte == b'\n');
            let end = end.map(|end| self.scanned + end);
            if end.unwrap_or(input.len()) > LINE_BYTES_MAX {
                let limit = LINE_BYTES_MAX;
                put_error(format!("a line is longer than {limit} bytes"), out);
                out.close();
                return;
            }
            let Some(end) = end else {
                self.scanned = input.len();
                return;
            };
            let line = input.split_to(end);
            input.advance(1);
            self.scanned = 0;
            self.handle_line(&line, out);
        }
    }

    fn handle_event(&mut self, _: Instant, event: Event, out: &mut Out) {
        match event {
            Event::Done(id, done) => self.handle_done(id, done, out),
            Event::Disconnect(refusal) => {
                put_error(refusal.to_string(), out);
                out.close();
            }
            // It neither publishes nor subscribes.
            Event::Delivery(_)
            | Event::Confirmed(_)
            | Event::Returned(..)
            | Event::Drained(_)
            | Event::Blocked(_)
            | Event::Unblocked
            | Event::Ended(..) => {}
        }
    }

    fn handle_deadline(&mut self, _: Instant, _: &mut Out) {}

    fn handle_close(&mut self, _: Instant, _: &mut Out) {}

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn unanswered_bytes(&self) -> usize {
        match self.state {
            State::Waiting { .. } => WAITING_BYTES,
            State::New | State::Ready => 0,
        }
    }
}

fn read_request(line: &[u8]) -> Result<Command, String> {
    // Lists would be read as structs, by position.
    if !line.starts_with(b"{") {
        return Err("a request is a JSON object, as in {\"command\":\"list_queues\"}".to_owned());
    }
    let request: Request = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    Command::try_from(request).map_err(|invalid| invalid.to_string())
}

fn put_error(text: String, out: &mut Out) {
    put(&Response::Error(text), out);
}

fn put(response: &Response<Answer>, out: &mut Out) {
    let line = serde_json::to_vec(response).unwrap_or_else(|error| {
        let response: Response<Answer> = Response::Error(format!("cannot be told: {error}"));
        serde_json::to_vec(&response).expect("text has a JSON spelling")
    });
    out.wire.put(&line);
    out.wire.put(b"\n");
}
