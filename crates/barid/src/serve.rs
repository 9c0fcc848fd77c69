//! `barid serve`: from settings to a running broker and back.

use crate::curve;
use crate::destinations;
use crate::entropy;
use crate::executors;
use crate::listeners::{self, Listeners, ListenersFile};
use crate::logins::LoginThread;
use crate::protocols;
use crate::store;
use crate::sys_topics::{self, SysTopics};
use crate::users::UsersFile;
use anyhow::Context as _;
use auth::Users;
use broker::{Broker, Entropy, RecoveryError, Settings, StalledPolicy};
use broker_api::Peer;
use config::{Config, WhenStalled};
use futures_util::future::try_join_all;
use model::ConnectionId;
use net::{Clock, Counters, Server, StopSignal, Stopper, Transport};
use proto_zmq::Curve;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::interval_at;
use tracing::{info, warn};

/// Runs the broker until it is told to stop.
pub(crate) fn serve(config: &Config) -> anyhow::Result<()> {
    telemetry::init(config.log.level).map_err(|error| anyhow::anyhow!("{error}"))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(run(config, cores))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time of the start-up, for its banner"
)]
async fn run(config: &Config, cores: usize) -> anyhow::Result<()> {
    let started = Instant::now();
    raise_descriptor_limit();
    let mut recovery = broker::Recovery::default();
    let mut opened = store::open(config, &mut recovery)?;
    let mut listeners_file = ListenersFile::prepare(&config.data_dir)?;
    let found = opened.recovered.clone();
    let clock = Clock::start();
    let users_file = UsersFile::new(config.users_file());
    let users = users_file.users()?;
    if config.auth.guest && users.iter().next().is_some() {
        warn!(
            "beside the users, the guest is let in from this machine; auth.guest = false ends that"
        );
    }
    let curve = curve::read(&config.zmtp)?;
    if let Some(curve) = &curve {
        let key = curve.secret_key.public_key().to_z85();
        info!("CURVE: the broker's public key is {key}");
    }
    let settings = settings(config, cores, users)?;
    let seed = settings.seed;
    let logs = opened.take_logs();
    let (broker, executors, recovered) = Broker::open(settings, clock.now(), logs, recovery)
        .map_err(|error| refused(error, &config.data_dir))?;
    let listeners = Listeners::bind(&config.listen, &config.data_dir)?;

    let (fatal, mut failures) = mpsc::unbounded_channel();
    let threads = opened.start(&fatal)?;
    let (stop_executors, executors_stop) = Stopper::new();
    let executors = start(executors, clock, &executors_stop, &fatal);
    let logins = LoginThread::start(broker.login_worker(), users_file)?;

    let (stopper, stop) = Stopper::new();
    let server = Server::new(clock, limits(config), stop);
    listeners_file.write(&listeners)?;
    let banner = Banner {
        config,
        listeners: &listeners,
        found: &found,
        recovered,
        started,
    };
    banner.print();
    let clients = Arc::<Counters>::default();
    let told = tell_of_itself(config, &broker, &clients, clock);
    let serving = serve_all(&server, listeners, &clients, config, (&broker, seed, curve));
    tokio::pin!(serving);
    tokio::select! {
        served = &mut serving => served.context("cannot serve")?,
        failure = failures.recv() => {
            return Err(failure.unwrap_or_else(|| anyhow::anyhow!("the store has ended")));
        }
        never = listeners_file.write_when_there_is_room() => match never {},
        name = told_to_stop() => {
            info!("{}: stopping", name?);
            stopper.stop();
            serving.await.context("cannot serve")?;
        }
    }
    drop(listeners_file);
    told.inspect(AbortHandle::abort);
    logins.stop();
    stop_executors.stop();
    for executor in executors {
        executor.await.context("an executor has panicked")?;
    }
    if let Ok(failure) = failures.try_recv() {
        return Err(failure);
    }
    threads.join();
    report(&broker);
    Ok(())
}

/// Tells of the broker at topics of its own, if that is wished, until it is aborted.
fn tell_of_itself(
    config: &Config,
    broker: &Broker,
    clients: &Arc<Counters>,
    clock: Clock,
) -> Option<AbortHandle> {
    let period = config.mqtt.sys_interval;
    if period.is_zero() {
        return None;
    }
    // Ids of clients begin with 1.
    let connection = broker.attach_operator(ConnectionId(0), here());
    let topics = SysTopics::new(broker.clone(), Arc::clone(clients), clock, connection);
    let interval = interval_at(tokio::time::Instant::now() + period, period);
    Some(tokio::spawn(topics.run(interval)).abort_handle())
}

fn here() -> Peer {
    Peer {
        address: Ipv4Addr::LOCALHOST.into(),
    }
}

/// Why a store is not served, and what can be done about it.
fn refused(error: RecoveryError, data_dir: &Path) -> anyhow::Error {
    let is_damaged = matches!(error, RecoveryError::MetadataDamaged { .. });
    let error = anyhow::Error::from(error);
    if !is_damaged {
        return error;
    }
    let data_dir = data_dir.display();
    error.context(format!(
        "the store is damaged where it cannot do without: `barid store check --data-dir {data_dir}` tells what \
         is damaged, `barid store repair --data-dir {data_dir}` what a repair would cost; or restore a copy"
    ))
}

/// Lets the process have as many connections as the machine allows it: the usual soft limit is 1,024.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        warn!("cannot raise the limit of open files: {error}");
    }
}

/// Starts the executors, each as a task. A failure, which is final, is sent to `fatal`.
fn start(
    executors: Vec<broker::Executor>,
    clock: Clock,
    stop: &StopSignal,
    fatal: &mpsc::UnboundedSender<anyhow::Error>,
) -> Vec<tokio::task::JoinHandle<()>> {
    let start = |executor| {
        let (stop, fatal) = (stop.clone(), fatal.clone());
        tokio::spawn(async move {
            if let Err(failed) = executors::run(executor, clock, stop).await {
                let _is_ending_anyway = fatal.send(failed.into());
            }
        })
    };
    executors.into_iter().map(start).collect()
}

/// Waits for the operator's wish to stop; returns the signal's name.
async fn told_to_stop() -> anyhow::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok("SIGINT"),
        _ = terminate.recv() => Ok("SIGTERM"),
    }
}

/// Serves all listeners until the server stops.
async fn serve_all(
    server: &Server,
    listeners: Listeners,
    clients: &Arc<Counters>,
    config: &Config,
    (broker, seed, curve): (&Broker, u64, Option<Curve>),
) -> std::io::Result<()> {
    let stomp = protocols::stomp(config, broker);
    let mqtt = protocols::mqtt(config, broker, seed);
    let amqp = Transport::Plain(protocols::amqp(config, broker));
    let zmtp = listeners.zmtp.into_iter().map(|(listeners, queue)| {
        let protocol = Transport::Plain(protocols::zmtp(config, broker, queue, curve.clone()));
        server.serve(listeners, protocol, Arc::clone(clients))
    });
    let admin = Transport::Plain(protocols::admin(broker));
    let ws = protocols::over_websocket(config, stomp.clone(), mqtt.clone());
    let (stomp, mqtt) = (Transport::Plain(stomp), Transport::Plain(mqtt));
    tokio::try_join!(
        server.serve(listeners.stomp, stomp, Arc::clone(clients)),
        server.serve(listeners.mqtt, mqtt, Arc::clone(clients)),
        server.serve(listeners.amqp, amqp, Arc::clone(clients)),
        try_join_all(zmtp),
        server.serve(listeners.ws, ws, Arc::clone(clients)),
        server.serve(vec![listeners.admin], admin, Arc::default()),
    )?;
    Ok(())
}

fn limits(config: &Config) -> net::Limits {
    net::Limits {
        connections_max: config.connection.connections_max,
        input_bytes_max: config.connection.input_bytes_max,
        send_timeout: config.connection.send_timeout,
        handshake_timeout: config
            .stomp
            .connect_timeout
            .max(config.mqtt.connect_timeout)
            .max(config.amqp.connect_timeout)
            .max(config.zmtp.connect_timeout),
        ..net::Limits::default()
    }
}

fn settings(config: &Config, cores: usize, users: Users) -> anyhow::Result<Settings> {
    Ok(Settings {
        executors: if config.executors == 0 {
            cores
        } else {
            config.executors
        },
        outbox_bytes: config.subscriber.budget_bytes,
        hold: config.subscriber.hold,
        hold_window: config.subscriber.hold_window,
        when_stalled: match config.subscriber.when_stalled {
            WhenStalled::DropOldest => StalledPolicy::DropOldest,
            WhenStalled::DropNewest => StalledPolicy::DropNewest,
            WhenStalled::Disconnect => StalledPolicy::Disconnect,
        },
        parked_bytes: config.connection.parked_bytes_max,
        queued_bytes: config.queue.memory_bytes_max,
        notes_bytes: config.queue.notes_bytes_max,
        kept_queues: config.mqtt.sessions_per_user_max,
        retained_count: config.retained.count_max,
        retained_bytes: config.retained.bytes_max,
        merged_pages_min: Settings::default().merged_pages_min,
        ride_delay: config.store.ride_delay,
        heads: protocols::heads,
        seed: RandomState::new().build_hasher().finish(),
        entropy: Entropy::new(entropy::draw),
        users,
        guest: config.auth.guest,
        own_topics: sys_topics::FIRST_LEVEL.to_vec(),
        virtual_topics: destinations::virtual_topics(&config.virtual_topic),
        composites: destinations::composites(&config.composites)?,
        policies: config.policies.clone(),
    })
}

/// What the operator sees when the broker is ready.
struct Banner<'a> {
    config: &'a Config,
    listeners: &'a Listeners,
    found: &'a log_store::Recovered,
    recovered: broker::Recovered,
    started: Instant,
}

impl Banner<'_> {
    #[expect(
        clippy::print_stdout,
        reason = "the banner is the program's answer to its user"
    )]
    fn print(&self) {
        let shown = |listeners: &[net::Listener]| {
            let addresses = listeners::addresses(listeners).join(", ");
            if addresses.is_empty() {
                "off".to_owned()
            } else {
                addresses
            }
        };
        println!("Barid {}", env!("CARGO_PKG_VERSION"));
        println!("  STOMP  {}", shown(&self.listeners.stomp));
        println!("  MQTT   {}", shown(&self.listeners.mqtt));
        println!("  AMQP   {}", shown(&self.listeners.amqp));
        for (listeners, queue) in &self.listeners.zmtp {
            println!("  ZMTP   {}, queue {queue}", shown(listeners));
        }
        println!("  ws     {}", shown(&self.listeners.ws));
        println!(
            "  data   {}: {} queues, {} messages, recovered in {} ms",
            self.config.data_dir.display(),
            self.recovered.queue_count,
            self.recovered.message_count,
            self.started.elapsed().as_millis(),
        );
        println!("Ready. Ctrl-C stops it.");
        if self.found.torn_bytes_cut > 0 {
            info!(
                "the last write of the run before was interrupted: {} bytes, none of them \
                 confirmed, were cut off",
                self.found.torn_bytes_cut
            );
        }
    }
}

/// Says what was counted, where the operator may want to know.
fn report(broker: &Broker) {
    let totals = broker.counters().totals();
    info!(
        "{} messages published, {} delivered",
        totals.published, totals.delivered
    );
    if totals.not_retained > 0 {
        warn!(
            "{} messages were not retained: see retained.count_max and retained.bytes_max",
            totals.not_retained
        );
    }
    if totals.dropped > 0 {
        warn!(
            "{} messages were dropped because their subscribers had stalled ({} times)",
            totals.dropped, totals.stalls
        );
    }
}
