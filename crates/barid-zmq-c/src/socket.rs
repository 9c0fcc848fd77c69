//! A socket as C has it: frames one by one, options that change, calls that block, time out and are interrupted.

mod messages;
#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::errno::{Errno, Result};
use crate::handle::{Home, handled};
use crate::monitor::Forwarder;
use crate::options::{Options, Value, number as n, terminated};
use crate::signal::{Deadline, Signal};
use crate::wire::{Wire, kind, new as new_wire};
use barid_zmq::{AnySocket, Changes, Endpoint, Frame, Message, PeerProperties, Unsent};
use bytes::Bytes;
use std::collections::VecDeque;
use std::future::Future;
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

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Out,
    In,
}

/// Who a message is from, if it came over a connection.
pub(crate) type Sender = Option<Arc<PeerProperties>>;

/// What the calls of a socket change.
pub(crate) struct State {
    options: Options,
    changes: Changes,
    /// What the program has not received yet of a message.
    incoming: VecDeque<Frame>,
    /// Who that is from, or the last message was.
    sender: Sender,
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

/// Sockets of two threads do not share a line of cache.
#[repr(align(64))]
pub(crate) struct Socket {
    pub(crate) context: Arc<Context>,
    socket_type: i32,
    /// What goes out and comes in, by the type of `wire`.
    messages: AnySocket,
    sends: bool,
    receives: bool,
    wire: Box<dyn Wire>,
    home: Home<Self>,
    /// `ZMQ_FD`, and what threads of this socket sleep on.
    pub(crate) signal: Arc<Signal>,
    waker: Waker,
}

handled!(Socket, 0x6261_7273, State, home);

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
            messages: wire.messages(),
            sends: wire.sends(),
            receives: wire.receives(),
            wire,
            home: Home::new(State {
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
        if self.context.has_forked() {
            return Err(Errno::EINTR);
        }
        self.check_end()
    }

    fn check_end(&self) -> Result<()> {
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
        let mut state = self.home.lock();
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
    #[cold]
    fn until<R>(
        &self,
        way: Way,
        deadline: Deadline,
        mut attempt: impl FnMut(&mut State) -> Result<R>,
    ) -> Result<R> {
        let mut attempt = || {
            let result = attempt(&mut self.home.lock());
            if matches!(result, Err(errno) if errno == Errno::ETERM) {
                // Others who wait for the socket are to see that, too.
                self.signal.raise();
            }
            result
        };
        let again = |result: &Result<R>| matches!(result, Err(errno) if *errno == Errno::EAGAIN);
        if !deadline.is_now() && self.look_out(way) {
            let result = attempt();
            if !again(&result) {
                return result;
            }
        }
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

    /// Looks out for a moment for what may let a call go on: to put a thread to sleep and to wake it takes longer.
    pub(crate) fn look_out(&self, way: Way) -> bool {
        match way {
            Way::Out => self.messages.look_out_for_room(),
            Way::In => self.messages.look_out_for_message(),
        }
    }

    fn deadline(&self, way: Way, flags: i32) -> Deadline {
        if flags & DONTWAIT != 0 {
            return Deadline::Now;
        }
        let state = self.home.lock();
        let timeout = match way {
            Way::Out => state.options.send_timeout,
            Way::In => state.options.receive_timeout,
        };
        drop(state);
        Deadline::after_ms(timeout.into())
    }

    /// Closes it; what has been begun is not sent. Done when all else is sent, or the linger time is over.
    pub(crate) fn close(&self) -> Pin<Box<dyn Future<Output = Unsent> + Send>> {
        self.wire.close()
    }

    /// Ends what tells of its connections.
    pub(crate) fn stop_monitor(&self) {
        let monitor = self.home.lock().monitor.take();
        if let Some(monitor) = monitor {
            monitor.stop();
        }
    }
}

/// Endpoints.
impl Socket {
    pub(crate) fn bind(&self, text: &str) -> Result<()> {
        self.check()?;
        let asked = parse(text)?;
        let mut state = self.home.lock();
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
        let mut state = self.home.lock();
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
        let mut state = self.home.lock();
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
        let mut state = self.home.lock();
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
        let mut state = self.home.lock();
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
        self.check_end()?;
        match option {
            n::EVENTS => {
                self.check()?;
                self.arm();
                return Ok(Value::Int(self.events()?.into()));
            }
            n::FD => {
                self.check()?;
                // Who watches it from here on is told of what nobody has looked at yet.
                if self.watch() {
                    self.signal.raise();
                }
                return Ok(Value::Int(self.fd()));
            }
            _ => {}
        }
        let state = self.home.lock();
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
