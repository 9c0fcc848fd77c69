//! The thread that checks passwords and changes users.

use crate::users::UsersFile;
use broker::{LoginWorker, Step};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread::{Builder, JoinHandle, Thread};

/// The thread while it runs.
pub(crate) struct LoginThread {
    stopping: Arc<AtomicBool>,
    handle: JoinHandle<()>,
}

/// Wakes the thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl LoginThread {
    pub(crate) fn start(mut worker: LoginWorker, mut file: UsersFile) -> std::io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        let is_stopping = Arc::clone(&stopping);
        let handle = Builder::new().name("logins".into()).spawn(move || {
            let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
            let cx = Context::from_waker(&waker);
            while !is_stopping.load(Ordering::Acquire) {
                match worker.step(&mut file, &cx) {
                    Step::Worked => {}
                    Step::Idle => std::thread::park(),
                }
            }
        })?;
        Ok(Self { stopping, handle })
    }

    /// Ends it; what waits is not done.
    pub(crate) fn stop(self) {
        self.stopping.store(true, Ordering::Release);
        self.handle.thread().unpark();
        // If it has panicked it has told so on standard error.
        let _panicked = self.handle.join();
    }
}
