//! Threads that share one socket: a ventilator hands out tasks, workers take them, a sink counts. No runtime.

#![expect(clippy::print_stdout, reason = "it is a program")]

use barid_zmq::{Context, Pull, Push};
use std::error::Error;
use std::thread;

const TASKS: usize = 1000;
const WORKERS: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let (tasks, sink) = (Push::new(&context), Pull::new(&context));
    tasks.bind("inproc://tasks")?;
    sink.bind("inproc://results")?;
    for worker in 0..WORKERS {
        let (work, results) = (Pull::new(&context), Push::new(&context));
        work.connect("inproc://tasks")?;
        results.connect("inproc://results")?;
        thread::spawn(move || {
            while let Ok(task) = work.blocking().recv() {
                let answer = format!(
                    "worker {worker} has done {}",
                    String::from_utf8_lossy(task.first())
                );
                if results.blocking().send(answer).is_err() {
                    return;
                }
            }
        });
    }
    for task in 0..TASKS {
        tasks.blocking().send(format!("task {task}"))?;
    }
    for _ in 0..TASKS {
        sink.blocking().recv()?;
    }
    println!("{TASKS} tasks are done");
    Ok(())
}
