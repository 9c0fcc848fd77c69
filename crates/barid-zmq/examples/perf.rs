//! Throughput and round trips, as libzmq's `local_thr`, `remote_thr`, `local_lat` and `remote_lat` measure them.
//!
//! ```text
//! perf local_thr  ENDPOINT SIZE COUNT      binds a PULL and measures       perf remote_thr ...   connects a PUSH
//! perf local_lat  ENDPOINT SIZE COUNT      binds a REP                     perf remote_lat ...   connects a REQ and measures
//! perf local_sub  ENDPOINT SIZE COUNT      binds a SUB and measures        perf remote_pub ...   connects a PUB
//! perf inproc_thr SIZE COUNT               PUSH and PULL of one process
//! perf inproc_lat SIZE COUNT
//! ```

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
#![expect(clippy::print_stdout, reason = "it is a program")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list of times"
)]

use barid_zmq::{Context, Frame, Hwm, Message, OnFull, Pub, Pull, Push, Rep, Req, Sub};
use bytes::Bytes;
use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Messages that are taken at once.
const BATCH: usize = 256;

fn main() -> Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["local_thr", endpoint, size, count] => local_thr(endpoint, size.parse()?, count.parse()?),
        ["remote_thr", endpoint, size, count] => remote_thr(endpoint, size.parse()?, count.parse()?),
        ["local_sub", endpoint, size, count] => local_sub(endpoint, size.parse()?, count.parse()?),
        ["remote_pub", endpoint, size, count] => remote_pub(endpoint, size.parse()?, count.parse()?),
        ["local_lat", endpoint, _, count] => local_lat(&Context::new(), endpoint, count.parse()?),
        ["remote_lat", endpoint, size, count] => remote_lat(&Context::new(), endpoint, size.parse()?, count.parse()?),
        ["inproc_thr", size, count] => inproc_thr(size.parse()?, count.parse()?),
        ["inproc_lat", size, count] => inproc_lat(size.parse()?, count.parse()?),
        _ => Err("perf local_thr|remote_thr|local_lat|remote_lat|local_sub|remote_pub ENDPOINT SIZE COUNT, or inproc_thr|inproc_lat SIZE COUNT".into()),
    }
}

/// A message of that size; large ones share their bytes, as libzmq's do not.
fn body(size: usize) -> Frame {
    Frame::from(Bytes::from(vec![0; size]))
}

/// The copy that a program makes when it fills a message.
fn filled(body: &Frame) -> Message {
    Message::from(Frame::copy_from(body))
}

fn report(what: &str, size: usize, count: usize, elapsed: Duration) {
    let per_s = count as f64 / elapsed.as_secs_f64();
    let hwm = Hwm::DEFAULT;
    println!(
        "{what}: {size} B x {count} in {:.3} s, HWM {} messages and {} MiB, one I/O thread",
        elapsed.as_secs_f64(),
        hwm.messages,
        hwm.bytes >> 20
    );
    println!(
        "mean throughput: {per_s:.0} [msg/s], {:.3} [Mb/s]",
        per_s * size as f64 * 8.0 / 1e6
    );
}

fn take(pull: &Pull, count: usize) -> Result<()> {
    let mut messages = Vec::with_capacity(BATCH);
    let mut left = count;
    while left > 0 {
        left -= pull.blocking().recv_many(&mut messages, BATCH.min(left))?;
        messages.clear();
    }
    Ok(())
}

fn local_thr(endpoint: &str, size: usize, count: usize) -> Result<()> {
    let pull = Pull::new(&Context::new());
    println!("{}", pull.bind(endpoint)?);
    pull.blocking().recv()?;
    let start = Instant::now();
    take(&pull, count - 1)?;
    report("PUSH to PULL", size, count, start.elapsed());
    Ok(())
}

fn remote_thr(endpoint: &str, size: usize, count: usize) -> Result<()> {
    let push = Push::builder(&Context::new()).linger(None).build();
    push.connect(endpoint)?;
    let (push_blocking, body) = (push.blocking(), body(size));
    for _ in 0..count {
        push_blocking.send(filled(&body))?;
    }
    push_blocking.close();
    Ok(())
}

fn local_sub(endpoint: &str, size: usize, count: usize) -> Result<()> {
    let sub = Sub::new(&Context::new());
    sub.subscribe("");
    println!("{}", sub.bind(endpoint)?);
    sub.blocking().recv()?;
    let start = Instant::now();
    for _ in 1..count {
        sub.blocking().recv()?;
    }
    report("PUB to SUB", size, count, start.elapsed());
    Ok(())
}

fn remote_pub(endpoint: &str, size: usize, count: usize) -> Result<()> {
    let publisher = Pub::builder(&Context::new())
        .on_full(OnFull::Block)
        .linger(None)
        .build();
    publisher.connect(endpoint)?;
    publisher
        .blocking()
        .wait_subscribed("", 1, Duration::from_secs(60))?;
    let body = body(size);
    for _ in 0..count {
        publisher.blocking().send(filled(&body))?;
    }
    publisher.blocking().close();
    Ok(())
}

fn local_lat(context: &Context, endpoint: &str, count: usize) -> Result<()> {
    let rep = Rep::builder(context).linger(None).build();
    rep.bind(endpoint)?;
    for _ in 0..count {
        let request = rep.blocking().recv()?;
        rep.blocking().send(request)?;
    }
    rep.blocking().close();
    Ok(())
}

fn remote_lat(context: &Context, endpoint: &str, size: usize, count: usize) -> Result<()> {
    let req = Req::new(context);
    req.connect(endpoint)?;
    let body = body(size);
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        req.blocking().send(filled(&body))?;
        req.blocking().recv()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| times[((count - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    let mean = times.iter().sum::<Duration>().as_secs_f64() * 1e6 / count as f64;
    println!("REQ to REP and back: {size} B x {count}");
    println!(
        "round trip: mean {mean:.1} us, p50 {:.1} us, p99 {:.1} us, max {:.1} us",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    Ok(())
}

fn inproc_thr(size: usize, count: usize) -> Result<()> {
    let context = Context::new();
    let pull = Pull::new(&context);
    pull.bind("inproc://thr")?;
    let push = Push::new(&context);
    push.connect("inproc://thr")?;
    let sender = thread::spawn(move || {
        let (push, body) = (push.blocking(), body(size));
        (0..count)
            .try_for_each(|_| push.send(filled(&body)))
            .is_ok()
    });
    pull.blocking().recv()?;
    let start = Instant::now();
    take(&pull, count - 1)?;
    report("PUSH to PULL, inproc", size, count, start.elapsed());
    sender.join().map_err(|_| "the sender has failed")?;
    Ok(())
}

fn inproc_lat(size: usize, count: usize) -> Result<()> {
    let context = Context::new();
    let other = context.clone();
    let server = thread::spawn(move || local_lat(&other, "inproc://lat", count).is_ok());
    remote_lat(&context, "inproc://lat", size, count)?;
    server.join().map_err(|_| "the replier has failed")?;
    Ok(())
}
