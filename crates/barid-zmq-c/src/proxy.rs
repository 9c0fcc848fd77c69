//! `zmq_proxy` and `zmq_proxy_steerable`.

use crate::errno::{Errno, Result};
use crate::options::{Value, number as n};
use crate::poll::{Item, Subject, poll_items};
use crate::signal::Deadline;
use crate::socket::{POLLIN, POLLOUT, Socket};
use crate::wire::kind;
use barid_zmq::{Frame, Message};
use std::sync::Arc;

/// Messages that go one way before the other gets its turn.
const TURN_MESSAGES: usize = 1000;

/// What a proxy joins.
pub(crate) struct Proxy {
    pub(crate) front: Arc<Socket>,
    pub(crate) back: Arc<Socket>,
    pub(crate) capture: Option<Arc<Socket>>,
    pub(crate) control: Option<Arc<Socket>>,
}

/// What has passed one end, as messages and bytes.
#[derive(Default)]
struct Passed {
    received: [u64; 2],
    sent: [u64; 2],
}

/// What the control socket has asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Running,
    Paused,
    Terminated,
}

impl Proxy {
    /// Passes messages on until it is told to end.
    ///
    /// # Errors
    /// `ETERM` when the context ends; `EINTR` when a signal of the system comes.
    pub(crate) fn run(&self) -> Result<()> {
        let mut passed = [Passed::default(), Passed::default()];
        let mut mode = Mode::Running;
        loop {
            self.wait(mode)?;
            if let Some(control) = &self.control
                && control.events()? & POLLIN != 0
            {
                mode = self.steer(control, mode, &passed)?;
            }
            match mode {
                Mode::Running => {}
                Mode::Paused => continue,
                Mode::Terminated => return Ok(()),
            }
            let [front, back] = &mut passed;
            self.forward(&self.front, &self.back, front, back)?;
            if !self.is_one() {
                self.forward(&self.back, &self.front, back, front)?;
            }
        }
    }

    /// Waits until a message can be passed on, or control has one.
    fn wait(&self, mode: Mode) -> Result<()> {
        let item = |socket: &Arc<Socket>, events| Item {
            subject: Subject::Socket(Arc::clone(socket)),
            events,
            found: 0,
        };
        let mut readers = Vec::new();
        if mode == Mode::Running {
            readers.extend([item(&self.front, POLLIN), item(&self.back, POLLIN)]);
        }
        readers.extend(self.control.iter().map(|control| item(control, POLLIN)));
        poll_items(&mut readers, Deadline::Never)?;
        if readers.iter().skip(2).any(|control| control.found != 0) || mode != Mode::Running {
            return Ok(());
        }
        if self.is_one() {
            return Ok(());
        }
        // There is something. Where it goes must have room, or nothing is gained by looking again; meanwhile there may
        // come something the other way.
        let mut next: Vec<Item> = readers
            .iter()
            .zip([(&self.front, &self.back), (&self.back, &self.front)])
            .map(|(reader, (from, to))| {
                if reader.found == 0 {
                    item(from, POLLIN)
                } else {
                    item(to, POLLOUT)
                }
            })
            .collect();
        next.extend(self.control.iter().map(|control| item(control, POLLIN)));
        poll_items(&mut next, Deadline::Never)?;
        Ok(())
    }

    /// Whether a socket is joined to itself: a REP then answers with what it is asked.
    fn is_one(&self) -> bool {
        Arc::ptr_eq(&self.front, &self.back)
    }

    fn forward(
        &self,
        from: &Socket,
        to: &Socket,
        from_passed: &mut Passed,
        to_passed: &mut Passed,
    ) -> Result<()> {
        for _ in 0..TURN_MESSAGES {
            let has_room = self.is_one() || to.events()? & POLLOUT != 0;
            if !has_room || from.events()? & POLLIN == 0 {
                return Ok(());
            }
            let message = match from.try_receive_message() {
                Ok(message) => message,
                Err(Errno::EAGAIN) => return Ok(()),
                Err(errno) => return Err(errno),
            };
            from_passed.count_received(&message);
            to_passed.count_sent(&message);
            if let Some(capture) = &self.capture {
                capture.send_message(message.clone())?;
            }
            match to.send_message(message) {
                Ok(()) | Err(Errno::EHOSTUNREACH) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Does what control asks for.
    fn steer(&self, control: &Socket, mode: Mode, passed: &[Passed; 2]) -> Result<Mode> {
        let command = control.try_receive_message()?;
        let mode = match command.first() {
            b"PAUSE" => Mode::Paused,
            b"RESUME" => Mode::Running,
            b"TERMINATE" => Mode::Terminated,
            b"STATISTICS" => {
                let [front, back] = passed;
                let numbers = [front.received, front.sent, back.received, back.sent];
                let frames = numbers.iter().flatten();
                let frames = frames.map(|number| Frame::copy_from(&number.to_ne_bytes()));
                control.send_message(frames.collect())?;
                return Ok(mode);
            }
            _ => mode,
        };
        // A REP has to say something before it can be asked again.
        if control.get(n::TYPE)? == Value::Int(kind::REP) {
            control.send_message(Message::from(""))?;
        }
        Ok(mode)
    }
}

impl Passed {
    fn count_received(&mut self, message: &Message) {
        self.received[0] += 1;
        self.received[1] += message.byte_count() as u64;
    }

    fn count_sent(&mut self, message: &Message) {
        self.sent[0] += 1;
        self.sent[1] += message.byte_count() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::handle::{Handle, Held};
    use std::thread;

    fn enter(socket: &Arc<Socket>) -> Held<Socket> {
        // SAFETY: it is a handle.
        unsafe { Handle::enter(Handle::give(Arc::clone(socket))) }.unwrap()
    }

    fn receive(socket: &Arc<Socket>) -> Message {
        let mut message = Message::new();
        Socket::receive(enter(socket), &mut message, None, 0).unwrap();
        message
    }

    fn set(socket: &Socket, option: i32, value: i32) {
        socket.set(option, &value.to_ne_bytes()).unwrap();
    }

    /// A DEALER with little room that is bound, and one that is connected to it.
    fn pair(context: &Arc<Context>, endpoint: &str) -> (Arc<Socket>, Arc<Socket>) {
        let open = || {
            let socket = context.open(kind::DEALER).unwrap();
            set(&socket, n::SNDHWM, 1);
            set(&socket, n::RCVHWM, 1);
            set(&socket, n::RCVTIMEO, 60_000);
            socket
        };
        let (bound, connected) = (open(), open());
        bound.bind(endpoint).unwrap();
        connected.connect(endpoint).unwrap();
        (bound, connected)
    }

    #[test]
    fn a_way_that_is_full_does_not_stop_the_other() {
        let context = Arc::new(Context::new().unwrap());
        let (front, client) = pair(&context, "inproc://front");
        let (back, worker) = pair(&context, "inproc://back");
        let proxy = Proxy {
            front,
            back,
            capture: None,
            control: None,
        };
        let passing = thread::spawn(move || proxy.run());
        set(&client, n::SNDTIMEO, 200);
        let send = || Socket::send(enter(&client), &mut Message::from("x"), 0);
        let sent = std::iter::from_fn(|| send().ok()).count();
        assert!(sent > 2, "{sent}");
        worker.send_message(Message::from("back")).unwrap();
        assert_eq!(receive(&client), Message::from("back"));
        for _ in 0..sent {
            assert_eq!(receive(&worker), Message::from("x"));
        }
        context.shutdown();
        assert_eq!(passing.join().unwrap(), Err(Errno::ETERM));
    }
}
