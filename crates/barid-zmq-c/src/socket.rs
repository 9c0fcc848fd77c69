//! A socket as C has it: frames one by one, options that change, calls that block, time out and are interrupted.

use crate::context::Context;
use crate::errno::{Errno, Result};
use crate::handle::handled;
use crate::monitor::Forwarder;
use crate::options::{Options, Value, number as n, terminated};
use crate::signal::{Deadline, Signal};
use crate::wire::{Wire, kind, new as new_wire};
use barid_zmq::{Changes, Endpoint, Frame, Message, PeerProperties, Unsent};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::Future;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Waker};

/// Flags of sending and receiving.
pub(crate) const DONTWAIT: i32 = 1;
pub(crate) const SNDMORE: i32 = 2;

/// What can be done at once.
pub(crate) const POLLIN: i16 = 1;
pub(crate) const POLLOUT: i16 = 2;

/// A path of a Unix socket is shorter, by the system.
const PATH_BYTES_MAX: usize = 107;

/// Something that was bound or connected, and how the program calls it.
struct Place {
    /// None where that left something open.
    text: Option<String>,
    endpoint: Endpoint,
    is_bound: bool,
}

/// A frame that was received.
pub(crate) struct Received {
    pub(crate) frame: Frame,
    /// It is not the last of its message.
    pub(crate) has_more: bool,
    pub(crate) sender: Option<Arc<PeerProperties>>,
}

struct State {
    options: Options,
    changes: Changes,
    /// What the program has not received yet of a message.
    incoming: VecDeque<Frame>,
    /// Who that is from.
    sender: Option<Arc<PeerProperties>>,
    /// Whether the frame that was received last was not the last of its message.
    has_more: bool,
    /// What the program has sent so far of a message.
    outgoing: Option<Message>,
    /// What the next peer that is connected to is called.
    next_name: Option<Bytes>,
    last_endpoint: String,
    places: Vec<Place>,
    monitor: Option<Arc<Forwarder>>,
}

pub(crate) struct Socket {
    pub(crate) context: Arc<Context>,
    socket_type: i32,
    wire: Box<dyn Wire>,
    state: Mutex<State>,
    /// `ZMQ_FD`, and what threads of this socket sleep on.
    pub(crate) signal: Arc<Signal>,
    waker: Waker,
}

handled!(Socket, 0x6261_7273);

impl Socket {
    pub(crate) fn new(context: &Arc<Context>, socket_type: i32) -> Result<Self> {
        let options = Options::new(socket_type, &context.settings());
        let wire = new_wire(context.home(), socket_type)?;
        wire.set_options(context.home(), &options)?;
        let signal = Arc::new(Signal::new()?);
        let changes = wire.changes();
        Ok(Self {
            context: Arc::clone(context),
            socket_type,
            wire,
            state: Mutex::new(State {
                options,
                changes,
                incoming: VecDeque::new(),
                sender: None,
                has_more: false,
                outgoing: None,
                next_name: None,
                last_endpoint: String::new(),
                places: Vec::new(),
                monitor: None,
            }),
            waker: Waker::from(Arc::clone(&signal)),
            signal,
        })
    }

    fn check(&self) -> Result<()> {
        if self.context.is_terminating() {
            return Err(Errno::ETERM);
        }
        Ok(())
    }

    /// Sees to it that the signal is raised when something changes from here on, which is to be looked for after this.
    pub(crate) fn arm(&self) {
        self.signal.lower();
        self.watch();
    }

    /// Sees to it that the signal is raised when something changes. True if that has happened before.
    fn watch(&self) -> bool {
        let cx = task::Context::from_waker(&self.waker);
        let mut state = self.state.lock();
        let mut has_changed = false;
        // A socket that is closed has always changed, and is not waited for.
        for _ in 0..16 {
            if state.changes.poll(&cx).is_pending() {
                return has_changed;
            }
            has_changed = true;
        }
        drop(state);
        self.signal.raise();
        has_changed
    }

    /// Tries until it has a result, the time is over, or a signal of the system comes.
    fn until<R>(
        &self,
        deadline: impl FnOnce(&Self) -> Deadline,
        mut attempt: impl FnMut(&mut State) -> Result<R>,
    ) -> Result<R> {
        let mut attempt = || {
            // Others who wait for the socket are to see that, too.
            self.check().inspect_err(|_| self.signal.raise())?;
            attempt(&mut self.state.lock())
        };
        let again = |result: &Result<R>| matches!(result, Err(errno) if *errno == Errno::EAGAIN);
        let result = attempt();
        if !again(&result) {
            return result;
        }
        let deadline = deadline(self);
        loop {
            // Whoever waits for the descriptor instead finds it readable when to try again.
            self.arm();
            let result = attempt();
            if !again(&result) || deadline.is_now() {
                return result;
            }
            self.signal.wait(deadline)?;
        }
    }

    /// Closes it; what has been begun is not sent. Done when all else is sent, or the linger time is over.
    pub(crate) fn close(&self) -> Pin<Box<dyn Future<Output = Unsent> + Send>> {
        self.wire.close()
    }

    /// Ends what tells of its connections.
    pub(crate) fn stop_monitor(&self) {
        let monitor = self.state.lock().monitor.take();
        if let Some(monitor) = monitor {
            monitor.stop();
        }
    }
}

/// Messages.
impl Socket {
    /// Sends a frame, which stays as it is if it is not sent.
    pub(crate) fn send(&self, frame: &mut dyn FnMut() -> Frame, flags: i32) -> Result<()> {
        let deadline = |this: &Self| {
            if flags & DONTWAIT != 0 {
                return Deadline::Now;
            }
            Deadline::after_ms(this.state.lock().options.send_timeout.into())
        };
        let is_more = flags & SNDMORE != 0;
        self.until(deadline, |state| {
            // To a STREAM the bytes behind the name are always the last of a message.
            let is_last = self.socket_type == kind::STREAM && state.outgoing.is_some();
            self.send_once(state, frame, is_more && !is_last, flags & DONTWAIT != 0)
        })
    }

    fn send_once(
        &self,
        state: &mut State,
        frame: &mut dyn FnMut() -> Frame,
        has_more: bool,
        is_dropped: bool,
    ) -> Result<()> {
        let Some(message) = &mut state.outgoing else {
            self.check_turn(state)?;
            if has_more {
                let frame = frame();
                self.wire.admits(&frame)?;
                state.outgoing = Some(frame.into());
                return Ok(());
            }
            return self
                .wire
                .try_send(frame().into())
                .map_err(|(errno, _)| errno);
        };
        if has_more {
            message.push_back(frame());
            return Ok(());
        }
        let mut message = state.outgoing.take().unwrap_or_default();
        message.push_back(frame());
        match self.wire.try_send(message) {
            Ok(()) => Ok(()),
            // Whom it was for has gone after the first frame. Who does not wait for another one sends it to nobody.
            Err((Errno::EAGAIN, _)) if is_dropped => Ok(()),
            Err((Errno::EAGAIN, message)) => {
                let mut frames = message.into_frames();
                frames.pop();
                state.outgoing = Some(frames.into());
                Err(Errno::EAGAIN)
            }
            Err((errno, _)) => Err(errno),
        }
    }

    /// Whether what has come and is not received yet lets the program send.
    fn check_turn(&self, state: &mut State) -> Result<()> {
        if state.incoming.is_empty() {
            return Ok(());
        }
        match self.socket_type {
            kind::REQ if state.options.is_relaxed => state.incoming.clear(),
            kind::REQ | kind::REP => return Err(Errno::EFSM),
            _ => {}
        }
        Ok(())
    }

    /// The next frame.
    pub(crate) fn receive(&self, flags: i32) -> Result<Received> {
        let deadline = |this: &Self| {
            if flags & DONTWAIT != 0 {
                return Deadline::Now;
            }
            Deadline::after_ms(this.state.lock().options.receive_timeout.into())
        };
        self.until(deadline, |state| {
            let frame = self.receive_once(state)?;
            state.has_more = !state.incoming.is_empty();
            Ok(Received {
                frame,
                has_more: state.has_more,
                sender: state.sender.clone(),
            })
        })
    }

    fn receive_once(&self, state: &mut State) -> Result<Frame> {
        if state.options.is_conflating && !state.incoming.is_empty() {
            // There may be a newer one than that which was found when somebody looked.
            self.look(state)?;
        }
        if let Some(frame) = state.incoming.pop_front() {
            return Ok(frame);
        }
        let mut message = self.wire.try_recv()?;
        state.sender = self.wire.last_sender();
        if message.len() == 1 {
            return Ok(message.pop_front().unwrap_or_default());
        }
        state.incoming = message.into_frames().into();
        Ok(state.incoming.pop_front().unwrap_or_default())
    }

    /// Takes the next message for the program, so that it is known to be there.
    fn look(&self, state: &mut State) -> Result<()> {
        match self.wire.try_recv() {
            Ok(message) => {
                state.incoming = message.into_frames().into();
                state.sender = self.wire.last_sender();
            }
            Err(Errno::EAGAIN) => {}
            Err(errno) => return Err(errno),
        }
        Ok(())
    }

    /// The next message whole, if it is there. For proxies.
    pub(crate) fn try_receive_message(&self) -> Result<Message> {
        self.check()?;
        let mut state = self.state.lock();
        state.has_more = false;
        if !state.incoming.is_empty() {
            let frames: Vec<Frame> = state.incoming.drain(..).collect();
            return Ok(frames.into());
        }
        self.wire.try_recv()
    }

    /// Sends a message whole. For proxies.
    pub(crate) fn send_message(&self, message: Message) -> Result<()> {
        let mut message = Some(message);
        self.until(
            |_| Deadline::Never,
            |_| {
                let Some(sent) = message.take() else {
                    return Ok(());
                };
                self.wire.try_send(sent).map_err(|(errno, unsent)| {
                    message = Some(unsent);
                    errno
                })
            },
        )
    }

    /// What can be done at once.
    pub(crate) fn events(&self) -> Result<i16> {
        self.check()?;
        let mut state = self.state.lock();
        let mut events = 0;
        if state.incoming.is_empty() {
            match self.look(&mut state) {
                Ok(()) | Err(Errno::EFSM | Errno::ENOTSUP) => {}
                Err(errno) => return Err(errno),
            }
        }
        if !state.incoming.is_empty() {
            events |= POLLIN;
        }
        let is_in_turn = match self.socket_type {
            kind::REQ => state.incoming.is_empty() || state.options.is_relaxed,
            kind::REP => state.incoming.is_empty(),
            _ => true,
        };
        if state.outgoing.is_some() || (is_in_turn && self.wire.is_writable()) {
            events |= POLLOUT;
        }
        Ok(events)
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.signal.fd()
    }
}

/// Endpoints.
impl Socket {
    pub(crate) fn bind(&self, text: &str) -> Result<()> {
        self.check()?;
        let asked = parse(text)?;
        let mut state = self.state.lock();
        self.context.start_for(text)?;
        let endpoint = self.wire.bind(&asked)?;
        state.last_endpoint = endpoint.to_string();
        state.places.push(Place {
            text: (!leaves_open(&asked)).then(|| text.to_owned()),
            endpoint,
            is_bound: true,
        });
        Ok(())
    }

    pub(crate) fn connect(&self, text: &str) -> Result<()> {
        self.check()?;
        let endpoint = parse(text)?;
        let mut state = self.state.lock();
        // To connect there twice makes no sense to these, and libzmq does it once.
        let connects_once =
            [kind::DEALER, kind::SUB, kind::PUB, kind::REQ].contains(&self.socket_type);
        let is_there = |place: &Place| !place.is_bound && place.endpoint == endpoint;
        if connects_once && !text.starts_with("inproc://") && state.places.iter().any(is_there) {
            return Ok(());
        }
        let name = state.next_name.take();
        self.context.start_for(text)?;
        self.wire.connect(&endpoint, name)?;
        state.last_endpoint = text.to_owned();
        state.places.push(Place {
            text: Some(text.to_owned()),
            endpoint,
            is_bound: false,
        });
        Ok(())
    }

    /// Ends what was bound or connected, by what it was called or has become.
    pub(crate) fn end(&self, text: &str, is_bound: bool) -> Result<()> {
        self.check()?;
        parse(text)?;
        let mut state = self.state.lock();
        let found = state.places.iter().position(|place| {
            let is_called_so = place.text.as_deref() == Some(text);
            place.is_bound == is_bound && (is_called_so || place.endpoint.to_string() == text)
        });
        let place = found.map(|index| state.places.remove(index));
        let place = place.ok_or(Errno::ENOENT)?;
        if self.wire.end(&place.endpoint, is_bound) {
            Ok(())
        } else {
            Err(Errno::ENOENT)
        }
    }

    /// Tells what happens to connections by a PAIR that is bound there; nowhere ends that.
    pub(crate) fn monitor(&self, endpoint: Option<&str>, events: i32) -> Result<()> {
        self.check()?;
        let mut state = self.state.lock();
        if let Some(former) = state.monitor.take() {
            former.stop();
        }
        if let Some(endpoint) = endpoint {
            // The events of the stable interface have 16 bits.
            let events = u16::try_from(events & 0xffff).unwrap_or(u16::MAX);
            let monitor = self.wire.monitor();
            let started = Forwarder::start(self.context.home(), monitor, endpoint, events)?;
            state.monitor = Some(started);
        }
        Ok(())
    }
}

/// Whether a port or a path is to be found when it is bound.
fn leaves_open(endpoint: &Endpoint) -> bool {
    let text = endpoint.to_string();
    text.contains(":*") || text == "ipc://*"
}

fn parse(text: &str) -> Result<Endpoint> {
    if let Some(path) = text.strip_prefix("ipc://")
        && path.len() > PATH_BYTES_MAX
    {
        return Err(Errno::ENAMETOOLONG);
    }
    Ok(text.parse::<Endpoint>()?)
}

/// Options.
impl Socket {
    pub(crate) fn set(&self, option: i32, value: &[u8]) -> Result<()> {
        self.check()?;
        let mut state = self.state.lock();
        match option {
            n::SUBSCRIBE | n::UNSUBSCRIBE => {
                if self.socket_type == kind::XPUB && !state.options.is_manual {
                    return Err(Errno::EINVAL);
                }
                let topic = Bytes::copy_from_slice(value);
                return self.wire.subscribe(topic, option == n::SUBSCRIBE);
            }
            n::CONNECT_ROUTING_ID if [kind::ROUTER, kind::STREAM].contains(&self.socket_type) => {
                if value.is_empty() || value.len() > 255 {
                    return Err(Errno::EINVAL);
                }
                state.next_name = Some(Bytes::copy_from_slice(value));
                return Ok(());
            }
            n::AFFINITY => self.check_affinity(value)?,
            _ => {}
        }
        let mut options = state.options.clone();
        options.set(option, value)?;
        self.wire.set_options(self.context.home(), &options)?;
        state.options = options;
        Ok(())
    }

    /// Connections are spread over all threads: it is no lie only if all of them are wanted.
    fn check_affinity(&self, value: &[u8]) -> Result<()> {
        let octets = <[u8; 8]>::try_from(value).map_err(|_| Errno::EINVAL)?;
        let wanted = u64::from_ne_bytes(octets);
        let threads = u32::try_from(self.context.get(1)?)
            .unwrap_or(1)
            .clamp(1, 63);
        let all = (1 << threads) - 1;
        if wanted == 0 || wanted & all == all {
            return Ok(());
        }
        Err(Errno::EINVAL)
    }

    pub(crate) fn get(&self, option: i32) -> Result<Value> {
        self.check()?;
        match option {
            n::EVENTS => {
                self.arm();
                return Ok(Value::Int(self.events()?.into()));
            }
            n::FD => {
                // Who watches it from here on is told of what nobody has looked at yet.
                if self.watch() {
                    self.signal.raise();
                }
                return Ok(Value::Int(self.fd()));
            }
            _ => {}
        }
        let state = self.state.lock();
        match option {
            n::RCVMORE => Ok(Value::Int(state.has_more.into())),
            // Whoever has just connected asks so whom.
            n::ROUTING_ID if self.socket_type == kind::STREAM => match self.wire.newest_peer() {
                Some(name) => Ok(Value::Bytes(name.to_vec())),
                None => state.options.get(option),
            },
            n::LAST_ENDPOINT => Ok(Value::Text(terminated(state.last_endpoint.as_bytes()))),
            _ => state.options.get(option),
        }
    }
}
