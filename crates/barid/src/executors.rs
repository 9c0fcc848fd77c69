//! The executors as tasks.

use broker::{Executor, Step};
use log_store::StoreFailed;
use net::{Clock, StopSignal};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::Sleep;

/// Steps made in a row before other tasks get their turn.
const STEPS_MAX: usize = 16;

/// Runs an executor until `stop`; then makes all that it holds durable.
pub(crate) async fn run(
    mut executor: Executor,
    clock: Clock,
    stop: StopSignal,
) -> Result<(), StoreFailed> {
    let mut timer = Timer::default();
    tokio::select! {
        failed = poll_fn(|cx| poll(&mut executor, clock, &mut timer, cx)) => return failed,
        () = stop.stopped() => {}
    }
    poll_fn(|cx| match poll(&mut executor, clock, &mut timer, cx) {
        Poll::Ready(failed) => Poll::Ready(failed),
        Poll::Pending if executor.is_settled() => Poll::Ready(Ok(())),
        // What connections have left behind at their end is logged now, not after its usual delay.
        Poll::Pending => match executor.flush() {
            Ok(()) => Poll::Pending,
            Err(failed) => Poll::Ready(Err(failed)),
        },
    })
    .await
}

/// Steps while there is something to do. Ready only when the store has failed.
fn poll(
    executor: &mut Executor,
    clock: Clock,
    timer: &mut Timer,
    cx: &mut Context<'_>,
) -> Poll<Result<(), StoreFailed>> {
    for _ in 0..STEPS_MAX {
        match executor.step(clock.now(), cx) {
            Ok(Step::Worked) => {}
            Ok(Step::Idle) => {
                let deadline = executor.deadline().map(|deadline| clock.to_tokio(deadline));
                if timer.poll(deadline, cx).is_pending() {
                    return Poll::Pending;
                }
            }
            Err(failed) => return Poll::Ready(Err(failed)),
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// One timer, made when it is first needed and moved after that.
#[derive(Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Ready when the deadline has passed; never without one.
    fn poll(&mut self, deadline: Option<tokio::time::Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }
}
