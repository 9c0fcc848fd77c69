//! What sockets of a program share: the threads that do I/O, and the names of inproc.

use crate::inproc::Names;
use parking_lot::{Mutex, MutexGuard};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The home of sockets. Clones are the same context.
///
/// Connections run on its own threads, one unless asked for more, each with a runtime of its own; they are started
/// when a socket first binds or connects beyond this process. Sockets of the same context, and only those, reach
/// each other by `inproc://`. The threads end when all sockets and their connections have.
#[derive(Clone)]
pub struct Context(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    threads: Mutex<Vec<IoThread>>,
    thread_count: usize,
    /// Whose turn it is to get a connection.
    turn: AtomicUsize,
    pub(crate) names: Names,
}

struct IoThread {
    handle: Handle,
    /// Dropped to end the thread.
    _stop: oneshot::Sender<()>,
}

impl Context {
    /// A context with one I/O thread.
    #[must_use]
    pub fn new() -> Self {
        Self::with_io_threads(1)
    }

    /// A context with so many I/O threads, at least one. A connection stays on one of them.
    #[must_use]
    pub fn with_io_threads(count: usize) -> Self {
        Self(Arc::new(Shared {
            threads: Mutex::new(Vec::new()),
            thread_count: count.max(1),
            turn: AtomicUsize::new(0),
            names: Names::default(),
        }))
    }
}

impl Context {
    /// Starts all I/O threads, which otherwise start when they are first needed. They take the signals of the system that
    /// the thread takes which does this.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(&self) -> io::Result<()> {
        self.0.start(self.0.thread_count).map(drop)
    }

    /// Whether a socket is bound to this name of inproc.
    #[must_use]
    pub fn is_bound(&self, name: &str) -> bool {
        self.0.names.is_bound(name)
    }
}

impl Default for Context {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("io_threads", &self.0.thread_count)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// The runtime of the I/O thread whose turn it is.
    pub(crate) fn io(&self) -> io::Result<Handle> {
        let index = self.turn.fetch_add(1, Ordering::Relaxed) % self.thread_count;
        let threads = self.start(index + 1)?;
        Ok(threads[index].handle.clone())
    }

    /// Sees to it that there are so many threads.
    fn start(&self, count: usize) -> io::Result<MutexGuard<'_, Vec<IoThread>>> {
        let mut threads = self.threads.lock();
        while threads.len() < count {
            let thread = IoThread::start(threads.len())?;
            threads.push(thread);
        }
        Ok(threads)
    }
}

impl IoThread {
    fn start(index: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name(format!("zmq-io-{index}"))
            .spawn(move || {
                // An error is what dropping the other end is.
                let _end = runtime.block_on(stopped);
            })?;
        Ok(Self {
            handle,
            _stop: stop,
        })
    }
}
