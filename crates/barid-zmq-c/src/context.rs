//! A context: the sockets of a program, and their end.

use crate::errno::{Errno, Result};
use crate::handle::handled;
use crate::mask::Masked;
use crate::signal::{Deadline, Process, Signal};
use crate::socket::Socket;
use barid_zmq::Unsent;
use parking_lot::Mutex;
use std::ffi::c_int;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{self, Waker};

/// Numbers of a context's options.
mod option {
    pub(super) const IO_THREADS: i32 = 1;
    pub(super) const MAX_SOCKETS: i32 = 2;
    pub(super) const SOCKET_LIMIT: i32 = 3;
    pub(super) const MAX_MSGSZ: i32 = 5;
    pub(super) const MSG_T_SIZE: i32 = 6;
    pub(super) const IPV6: i32 = 42;
    pub(super) const BLOCKY: i32 = 70;
}

/// The largest number of sockets that may be asked for.
const SOCKET_LIMIT: i32 = 65_535;

/// The end of a closed socket: it sends what is left.
type Closing = Pin<Box<dyn Future<Output = Unsent> + Send>>;

#[derive(Clone, Copy)]
pub(crate) struct Settings {
    io_threads: i32,
    sockets_max: i32,
    pub(crate) message_bytes_max: i32,
    pub(crate) is_ipv6: bool,
    /// Sockets linger for ever if nothing else is said.
    pub(crate) is_blocky: bool,
}

struct State {
    settings: Settings,
    sockets: Vec<Weak<Socket>>,
    closing: Vec<Closing>,
}

pub(crate) struct Context {
    /// Made with the first socket: until then the number of its threads can be changed.
    home: OnceLock<barid_zmq::Context>,
    state: Mutex<State>,
    is_terminating: AtomicBool,
    process: Process,
    /// Raised when a socket closes, or is done with what it had to send.
    signal: Arc<Signal>,
}

handled!(Context, 0x6261_7263);

impl Context {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            home: OnceLock::new(),
            state: Mutex::new(State {
                settings: Settings {
                    io_threads: 1,
                    sockets_max: 1023,
                    message_bytes_max: i32::MAX,
                    is_ipv6: false,
                    is_blocky: true,
                },
                sockets: Vec::new(),
                closing: Vec::new(),
            }),
            is_terminating: AtomicBool::new(false),
            process: Process::this(),
            signal: Arc::new(Signal::new()?),
        })
    }

    /// Whether this process has but inherited it.
    #[inline]
    pub(crate) fn has_forked(&self) -> bool {
        self.process.has_forked()
    }

    pub(crate) fn is_terminating(&self) -> bool {
        self.is_terminating.load(Ordering::Acquire)
    }

    pub(crate) fn settings(&self) -> Settings {
        self.state.lock().settings
    }

    pub(crate) fn home(&self) -> &barid_zmq::Context {
        let threads = self.state.lock().settings.io_threads;
        let threads = usize::try_from(threads).unwrap_or(1);
        self.home
            .get_or_init(|| barid_zmq::Context::with_io_threads(threads))
    }

    /// Starts the threads that an endpoint needs. They take no signals.
    pub(crate) fn start_for(&self, endpoint: &str) -> Result<()> {
        if !endpoint.starts_with("inproc://") {
            let _masked = Masked::new();
            self.home().start()?;
        }
        Ok(())
    }

    pub(crate) fn set(&self, option: c_int, value: c_int) -> Result<()> {
        let settings = &mut self.state.lock().settings;
        match option {
            option::IO_THREADS if value >= 0 => settings.io_threads = value,
            option::MAX_SOCKETS if (1..=SOCKET_LIMIT).contains(&value) => {
                settings.sockets_max = value;
            }
            option::MAX_MSGSZ if value >= 0 => settings.message_bytes_max = value,
            option::IPV6 if value >= 0 => settings.is_ipv6 = value != 0,
            option::BLOCKY if value >= 0 => settings.is_blocky = value != 0,
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    pub(crate) fn get(&self, option: c_int) -> Result<c_int> {
        let settings = self.settings();
        Ok(match option {
            option::IO_THREADS => settings.io_threads,
            option::MAX_SOCKETS => settings.sockets_max,
            option::SOCKET_LIMIT => SOCKET_LIMIT,
            option::MAX_MSGSZ => settings.message_bytes_max,
            option::MSG_T_SIZE => 64,
            option::IPV6 => settings.is_ipv6.into(),
            option::BLOCKY => settings.is_blocky.into(),
            _ => return Err(Errno::EINVAL),
        })
    }

    /// Makes a socket of a type.
    pub(crate) fn open(self: &Arc<Self>, socket_type: c_int) -> Result<Arc<Socket>> {
        if self.is_terminating() {
            return Err(Errno::ETERM);
        }
        let socket = Arc::new(Socket::new(self, socket_type)?);
        let mut state = self.state.lock();
        state.sockets.retain(|socket| socket.strong_count() > 0);
        let max = usize::try_from(state.settings.sockets_max).unwrap_or(0);
        if state.sockets.len() >= max {
            return Err(Errno::EMFILE);
        }
        state.sockets.push(Arc::downgrade(&socket));
        drop(state);
        // It may have been told to end meanwhile.
        if self.is_terminating() {
            socket.signal.raise();
        }
        Ok(socket)
    }

    /// Closes a socket. What it has left to send is sent within its linger time.
    pub(crate) fn close(&self, socket: &Arc<Socket>) {
        if self.has_forked() {
            // Nobody is there who would close it; what its threads were about to do is the parent's.
            let _kept: *const Socket = Arc::into_raw(Arc::clone(socket));
            return;
        }
        let mut closing = socket.close();
        let waker = Waker::from(Arc::clone(&self.signal));
        // The first look closes it.
        let mut cx = task::Context::from_waker(&waker);
        let is_done = closing.as_mut().poll(&mut cx).is_ready();
        // That it does not listen any more is told before.
        socket.stop_monitor();
        let mut state = self.state.lock();
        let this = Arc::downgrade(socket);
        state.sockets.retain(|found| !found.ptr_eq(&this));
        let done = state.take_done(&waker);
        if !is_done {
            state.closing.push(closing);
        }
        drop(state);
        drop(done);
        self.signal.raise();
    }

    /// Lets sockets do nothing more but close.
    pub(crate) fn shutdown(&self) {
        self.is_terminating.store(true, Ordering::Release);
        let sockets = self.state.lock().sockets.clone();
        for socket in sockets.iter().filter_map(Weak::upgrade) {
            socket.signal.raise();
        }
    }

    /// Waits until all sockets are closed, and have sent what is to be sent.
    pub(crate) fn terminate(self: &Arc<Self>) -> Result<()> {
        if self.has_forked() {
            let _kept: *const Self = Arc::into_raw(Arc::clone(self));
            return Ok(());
        }
        self.shutdown();
        let waker = Waker::from(Arc::clone(&self.signal));
        loop {
            self.signal.lower();
            let mut state = self.state.lock();
            let done = state.take_done(&waker);
            state.sockets.retain(|socket| socket.strong_count() > 0);
            let is_empty = state.sockets.is_empty() && state.closing.is_empty();
            drop(state);
            drop(done);
            if is_empty {
                // Another thread may wait for the same.
                self.signal.raise();
                return Ok(());
            }
            self.signal.wait(Deadline::Never)?;
        }
    }
}

impl State {
    /// Takes out closed sockets that are done, to be dropped without the lock: functions of the program may be called
    /// with what they still have.
    fn take_done(&mut self, waker: &Waker) -> Vec<Closing> {
        let mut cx = task::Context::from_waker(waker);
        self.closing
            .extract_if(.., |closing| closing.as_mut().poll(&mut cx).is_ready())
            .collect()
    }
}
