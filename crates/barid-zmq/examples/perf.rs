//! One party of a measurement of throughput or of round trips, or two in one process. `cargo xtask bench zmq` runs it
//! beside the same program over libzmq, `testing/bench/src/zmq/perf.c`, which takes the same arguments.
//!
//! ```text
//! perf ROLE ENDPOINT SIZE WARM_UP COUNT HWM SOCKETS [BATCH]
//! ```
//!
//! ROLE is pull, pub or rep, which bind and first print `bound ENDPOINT`; push, sub or req, which connect; or push-pull,
//! pub-sub or req-rep: both, on two threads with one context. A sub has SOCKETS sockets, of which each gets all messages.
//! `WARM_UP` + COUNT messages go, of SIZE bytes each. BATCH, 1 if it is not given, is how many a pull or sub may take in one
//! call. Who receives prints what the last COUNT of them took, and everybody the CPU time of the process meanwhile. push, pub
//! and rep stay until their standard input ends:
//!
//! ```text
//! messages=COUNT elapsed_ns=N cpu_ns=N           pull, sub, push-pull, pub-sub; messages are those of all sockets
//! messages=COUNT elapsed_ns=N cpu_ns=N p50_ns=N p99_ns=N         req, req-rep: round trips
//! cpu_ns=N                                       push, pub, rep
//! ```

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
#![expect(clippy::print_stdout, reason = "it is a program")]

use barid_zmq::{
    Context, Frame, Hwm, Kind, Message, OnFull, Pull, Push, Receives, Rep, Req, Sends, Socket,
    SocketBuilder, Sub, Subscriptions, XPub, kinds,
};
use rustix::time::{ClockId, clock_gettime};
use std::error::Error;
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The least body: a sequence of eight bytes, and some filler.
const SIZE_MIN: usize = 16;

const FILLER: u8 = 0x5a;

fn main() -> Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let (role, options) = match args[..] {
        ["version"] => {
            println!("{}", env!("CARGO_PKG_VERSION"));
            return Ok(());
        }
        [role, ref rest @ ..] if (6..=7).contains(&rest.len()) => (role, Options::parse(rest)?),
        _ => return Err("perf ROLE ENDPOINT SIZE WARM_UP COUNT HWM SOCKETS [BATCH]".into()),
    };
    let context = Context::with_io_threads(1);
    let outcome = match role {
        "pull" => receive(&[options.pull(&context)?], &options),
        "push" => send(&options.push(&context)?, &options).and_then(stay),
        "pub" => publish(&options.publisher(&context)?, &options).and_then(stay),
        "sub" => receive(&options.subs(&context)?, &options),
        "rep" => reply(&options.rep(&context)?, &options).and_then(stay),
        "req" => request(&options.req(&context)?, &options),
        "push-pull" => {
            let pull = options.pull(&context)?;
            let push = options.push(&context)?;
            on_two_threads(|| send(&push, &options), || receive(&[pull], &options))
        }
        "pub-sub" => {
            let publisher = options.publisher(&context)?;
            let subs = options.subs(&context)?;
            on_two_threads(
                || publish(&publisher, &options),
                || receive(&subs, &options),
            )
        }
        "req-rep" => {
            let rep = options.rep(&context)?;
            let req = options.req(&context)?;
            on_two_threads(|| reply(&rep, &options), || request(&req, &options))
        }
        _ => return Err(format!("no role is called {role}").into()),
    };
    outcome?.print();
    Ok(())
}

/// Goes on until the standard input ends, so that all is received before a socket is closed.
fn stay(outcome: Outcome) -> Result<Outcome> {
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(Outcome {
        cpu_to: cpu(),
        ..outcome
    })
}

/// Runs both ends; who measures tells what it took.
fn on_two_threads(
    other: impl FnOnce() -> Result<Outcome> + Send,
    measuring: impl FnOnce() -> Result<Outcome>,
) -> Result<Outcome> {
    thread::scope(|scope| {
        let other = scope.spawn(other);
        let outcome = measuring()?;
        other.join().map_err(|_| "the other end has failed")??;
        Ok(outcome)
    })
}

struct Options {
    endpoint: String,
    size: usize,
    warm_up: u64,
    count: u64,
    hwm: Hwm,
    sockets: usize,
    batch: usize,
}

impl Options {
    fn parse(args: &[&str]) -> Result<Self> {
        let options = Self {
            endpoint: args[0].to_owned(),
            size: args[1].parse()?,
            warm_up: args[2].parse()?,
            count: args[3].parse()?,
            hwm: Hwm::messages(args[4].parse()?),
            sockets: args[5].parse()?,
            batch: args.get(6).map_or(Ok(1), |batch| batch.parse())?,
        };
        if options.size < SIZE_MIN || options.count == 0 || options.batch == 0 {
            return Err(format!("messages of {SIZE_MIN} bytes or more, and at least one").into());
        }
        Ok(options)
    }

    const fn total(&self) -> u64 {
        self.warm_up + self.count
    }

    /// With the limit of messages, and with none of bytes, which libzmq has not.
    fn builder<K: Kind>(&self, context: &Context) -> SocketBuilder<K> {
        Socket::builder(context)
            .send_hwm(self.hwm)
            .receive_hwm(self.hwm)
            // Nobody closes before all has arrived.
            .linger(Some(Duration::ZERO))
    }

    fn bind<K: Kind>(&self, socket: Socket<K>) -> Result<Socket<K>> {
        let mut stdout = std::io::stdout();
        writeln!(stdout, "bound {}", socket.bind(&*self.endpoint)?)?;
        stdout.flush()?;
        Ok(socket)
    }

    fn connect<K: Kind>(&self, socket: Socket<K>) -> Result<Socket<K>> {
        socket.connect(&*self.endpoint)?;
        Ok(socket)
    }

    fn pull(&self, context: &Context) -> Result<Pull> {
        self.bind(self.builder(context).build())
    }

    fn push(&self, context: &Context) -> Result<Push> {
        self.connect(self.builder(context).build())
    }

    fn publisher(&self, context: &Context) -> Result<XPub> {
        let builder: SocketBuilder<kinds::XPub> = self.builder(context);
        let builder = builder
            .on_full(OnFull::Block)
            .subscriptions(Subscriptions::Verbose);
        self.bind(builder.build())
    }

    fn subs(&self, context: &Context) -> Result<Vec<Sub>> {
        let sub = |_| {
            let sub: Sub = self.builder(context).build();
            sub.subscribe("");
            self.connect(sub)
        };
        (0..self.sockets).map(sub).collect()
    }

    fn rep(&self, context: &Context) -> Result<Rep> {
        self.bind(self.builder(context).build())
    }

    fn req(&self, context: &Context) -> Result<Req> {
        self.connect(self.builder(context).build())
    }
}

/// What one end has to tell.
#[derive(Clone, Copy, Default)]
struct Outcome {
    /// How many came, and in what time, if it was for this end to measure.
    received: Option<(u64, Duration)>,
    /// The median round trip, and that of which one in a hundred is slower.
    round_trips: Option<[Duration; 2]>,
    /// CPU time of the process when the measurement began, and when it ended.
    cpu_from: Duration,
    cpu_to: Duration,
}

impl Outcome {
    fn print(&self) {
        let mut figures = Vec::new();
        if let Some((messages, elapsed)) = self.received {
            figures.push(format!(
                "messages={messages} elapsed_ns={}",
                elapsed.as_nanos()
            ));
        }
        let cpu = self.cpu_to.saturating_sub(self.cpu_from);
        figures.push(format!("cpu_ns={}", cpu.as_nanos()));
        if let Some([p50, p99]) = self.round_trips {
            let (p50, p99) = (p50.as_nanos(), p99.as_nanos());
            figures.push(format!("p50_ns={p50} p99_ns={p99}"));
        }
        println!("{}", figures.join(" "));
    }
}

/// CPU time of this process.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// A body: a sequence in its first eight bytes, then filler.
struct Body(Vec<u8>);

impl Body {
    fn new(size: usize) -> Self {
        Self(vec![FILLER; size])
    }

    /// A message with a copy of it.
    fn message(&mut self, sequence: u64) -> Message {
        self.0[..8].copy_from_slice(&sequence.to_ne_bytes());
        Message::from(Frame::copy_from(&self.0))
    }
}

/// Looks at the length, the sequence and the last byte.
fn check(message: &Message, size: usize, sequence: u64) -> Result<()> {
    let bytes = message.first();
    if bytes.len() != size {
        return Err(format!("a message of {} bytes instead of {size}", bytes.len()).into());
    }
    if bytes[..8] != sequence.to_ne_bytes() || bytes[size - 1] != FILLER {
        return Err(format!("another message came instead of {sequence}").into());
    }
    Ok(())
}

/// Takes messages of each socket in turn.
fn receive<K: Receives>(sockets: &[Socket<K>], options: &Options) -> Result<Outcome> {
    let mut next = vec![0; sockets.len()];
    take(sockets, &mut next, options.warm_up, options)?;
    let (cpu_from, start) = (cpu(), Instant::now());
    take(sockets, &mut next, options.total(), options)?;
    let elapsed = start.elapsed();
    Ok(Outcome {
        received: Some((options.count * sockets.len() as u64, elapsed)),
        round_trips: None,
        cpu_from,
        cpu_to: cpu(),
    })
}

/// Until each socket has got that many; `next` is the sequence that comes next to each.
fn take<K: Receives>(
    sockets: &[Socket<K>],
    next: &mut [u64],
    until: u64,
    options: &Options,
) -> Result<()> {
    let mut messages = Vec::with_capacity(options.batch);
    while next.iter().any(|next| *next < until) {
        for (socket, next) in sockets.iter().zip(&mut *next) {
            let left = usize::try_from(until - *next)?.min(options.batch);
            match left {
                0 => {}
                1 => {
                    check(&socket.blocking().recv()?, options.size, *next)?;
                    *next += 1;
                }
                _ => {
                    socket.blocking().recv_many(&mut messages, left)?;
                    for message in messages.drain(..) {
                        check(&message, options.size, *next)?;
                        *next += 1;
                    }
                }
            }
        }
    }
    Ok(())
}

fn send<K: Sends>(socket: &Socket<K>, options: &Options) -> Result<Outcome> {
    let mut body = Body::new(options.size);
    let mut cpu_from = Duration::ZERO;
    let blocking = socket.blocking();
    for sequence in 0..options.total() {
        if sequence == options.warm_up {
            cpu_from = cpu();
        }
        blocking.send(body.message(sequence))?;
    }
    Ok(Outcome {
        cpu_from,
        ..Outcome::default()
    })
}

/// Waits for all subscriptions, which an XPUB is handed, before it sends.
fn publish(publisher: &XPub, options: &Options) -> Result<Outcome> {
    for _ in 0..options.sockets {
        publisher.blocking().recv()?;
    }
    send(publisher, options)
}

/// Sends each request back as it is.
fn reply(rep: &Rep, options: &Options) -> Result<Outcome> {
    let mut cpu_from = Duration::ZERO;
    let blocking = rep.blocking();
    for sequence in 0..options.total() {
        if sequence == options.warm_up {
            cpu_from = cpu();
        }
        let request = blocking.recv()?;
        check(&request, options.size, sequence)?;
        blocking.send(request)?;
    }
    Ok(Outcome {
        cpu_from,
        ..Outcome::default()
    })
}

fn request(req: &Req, options: &Options) -> Result<Outcome> {
    let mut body = Body::new(options.size);
    let mut times = Vec::with_capacity(usize::try_from(options.count)?);
    let (mut cpu_from, mut start) = (Duration::ZERO, Instant::now());
    let blocking = req.blocking();
    for sequence in 0..options.total() {
        let sent = Instant::now();
        if sequence == options.warm_up {
            (cpu_from, start) = (cpu(), sent);
        }
        blocking.send(body.message(sequence))?;
        check(&blocking.recv()?, options.size, sequence)?;
        if sequence >= options.warm_up {
            times.push(sent.elapsed());
        }
    }
    let elapsed = start.elapsed();
    let cpu_to = cpu();
    times.sort_unstable();
    let last = times.len() - 1;
    Ok(Outcome {
        received: Some((options.count, elapsed)),
        round_trips: Some([times[last / 2], times[last * 99 / 100]]),
        cpu_from,
        cpu_to,
    })
}
