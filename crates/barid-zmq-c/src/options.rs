//! The options of a socket, as libzmq numbers, limits and defaults them.
//!
//! One that has no effect here has one value, its default, which is taken and given back; every other value is `EINVAL`.

use crate::context::Settings;
use crate::errno::{Errno, Result};
use crate::wire::kind;
use crate::zap::{Mechanism, Zap};
use barid_zmq::{
    Context, Heartbeat, Hwm, IpVersions, Kind, Named, OnFull, PublicKey, Reconnect, SecretKey,
    SocketBuilder, Subscriptions, kinds,
};
use bytes::Bytes;
use number as n;
use std::time::Duration;

/// Numbers of options.
pub(crate) mod number {
    pub(crate) const AFFINITY: i32 = 4;
    pub(crate) const ROUTING_ID: i32 = 5;
    pub(crate) const SUBSCRIBE: i32 = 6;
    pub(crate) const UNSUBSCRIBE: i32 = 7;
    pub(crate) const RATE: i32 = 8;
    pub(crate) const RECOVERY_IVL: i32 = 9;
    pub(crate) const SNDBUF: i32 = 11;
    pub(crate) const RCVBUF: i32 = 12;
    pub(crate) const RCVMORE: i32 = 13;
    pub(crate) const FD: i32 = 14;
    pub(crate) const EVENTS: i32 = 15;
    pub(crate) const TYPE: i32 = 16;
    pub(crate) const LINGER: i32 = 17;
    pub(crate) const RECONNECT_IVL: i32 = 18;
    pub(crate) const BACKLOG: i32 = 19;
    pub(crate) const RECONNECT_IVL_MAX: i32 = 21;
    pub(crate) const MAXMSGSIZE: i32 = 22;
    pub(crate) const SNDHWM: i32 = 23;
    pub(crate) const RCVHWM: i32 = 24;
    pub(crate) const MULTICAST_HOPS: i32 = 25;
    pub(crate) const RCVTIMEO: i32 = 27;
    pub(crate) const SNDTIMEO: i32 = 28;
    pub(crate) const IPV4ONLY: i32 = 31;
    pub(crate) const LAST_ENDPOINT: i32 = 32;
    pub(crate) const ROUTER_MANDATORY: i32 = 33;
    pub(crate) const TCP_KEEPALIVE: i32 = 34;
    pub(crate) const TCP_KEEPALIVE_CNT: i32 = 35;
    pub(crate) const TCP_KEEPALIVE_IDLE: i32 = 36;
    pub(crate) const TCP_KEEPALIVE_INTVL: i32 = 37;
    pub(crate) const IMMEDIATE: i32 = 39;
    pub(crate) const XPUB_VERBOSE: i32 = 40;
    pub(crate) const ROUTER_RAW: i32 = 41;
    pub(crate) const IPV6: i32 = 42;
    pub(crate) const MECHANISM: i32 = 43;
    pub(crate) const PLAIN_SERVER: i32 = 44;
    pub(crate) const PLAIN_USERNAME: i32 = 45;
    pub(crate) const PLAIN_PASSWORD: i32 = 46;
    pub(crate) const CURVE_SERVER: i32 = 47;
    pub(crate) const CURVE_PUBLICKEY: i32 = 48;
    pub(crate) const CURVE_SECRETKEY: i32 = 49;
    pub(crate) const CURVE_SERVERKEY: i32 = 50;
    pub(crate) const PROBE_ROUTER: i32 = 51;
    pub(crate) const REQ_CORRELATE: i32 = 52;
    pub(crate) const REQ_RELAXED: i32 = 53;
    pub(crate) const CONFLATE: i32 = 54;
    pub(crate) const ZAP_DOMAIN: i32 = 55;
    pub(crate) const ROUTER_HANDOVER: i32 = 56;
    pub(crate) const TOS: i32 = 57;
    pub(crate) const CONNECT_ROUTING_ID: i32 = 61;
    pub(crate) const HANDSHAKE_IVL: i32 = 66;
    pub(crate) const SOCKS_PROXY: i32 = 68;
    pub(crate) const XPUB_NODROP: i32 = 69;
    pub(crate) const XPUB_MANUAL: i32 = 71;
    pub(crate) const XPUB_WELCOME_MSG: i32 = 72;
    pub(crate) const STREAM_NOTIFY: i32 = 73;
    pub(crate) const INVERT_MATCHING: i32 = 74;
    pub(crate) const HEARTBEAT_IVL: i32 = 75;
    pub(crate) const HEARTBEAT_TTL: i32 = 76;
    pub(crate) const HEARTBEAT_TIMEOUT: i32 = 77;
    pub(crate) const XPUB_VERBOSER: i32 = 78;
    pub(crate) const CONNECT_TIMEOUT: i32 = 79;
    pub(crate) const TCP_MAXRT: i32 = 80;
    pub(crate) const THREAD_SAFE: i32 = 81;
    pub(crate) const MULTICAST_MAXTPDU: i32 = 84;
    pub(crate) const USE_FD: i32 = 89;
    pub(crate) const BINDTODEVICE: i32 = 92;
    pub(crate) const ZAP_ENFORCE_DOMAIN: i32 = 93;
    pub(crate) const LOOPBACK_FASTPATH: i32 = 94;
    pub(crate) const MULTICAST_LOOP: i32 = 96;
}

/// What has no effect here, and the one value that it has.
const FIXED: [(i32, i32); 11] = [
    (n::RATE, 100),
    (n::RECOVERY_IVL, 10_000),
    (n::MULTICAST_HOPS, 1),
    (n::MULTICAST_MAXTPDU, 1500),
    (n::MULTICAST_LOOP, 1),
    (n::LOOPBACK_FASTPATH, 0),
    (n::ROUTER_RAW, 0),
    (n::TOS, 0),
    (n::TCP_MAXRT, 0),
    (n::USE_FD, -1),
    (n::INVERT_MATCHING, 0),
];

/// As good as never: what is reckoned with it stays in bounds.
const NEVER: Duration = Duration::from_millis(u32::MAX as u64);

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Int(i32),
    Long(i64),
    Bytes(Vec<u8>),
    /// With the zero at its end.
    Text(Vec<u8>),
    /// 32 octets, or 41 as text, as the caller has room for.
    Key([u8; 32]),
}

#[derive(Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(crate) struct Options {
    socket_type: i32,
    pub(crate) affinity: i64,
    routing_id: Bytes,
    send_buffer: i32,
    receive_buffer: i32,
    linger: i32,
    reconnect_ivl: i32,
    reconnect_ivl_max: i32,
    backlog: i32,
    message_bytes_max: i64,
    /// The context's.
    context_bytes_max: i32,
    send_hwm: i32,
    receive_hwm: i32,
    pub(crate) receive_timeout: i32,
    pub(crate) send_timeout: i32,
    pub(crate) is_mandatory: bool,
    pub(crate) is_handover: bool,
    pub(crate) is_relaxed: bool,
    pub(crate) is_correlated: bool,
    pub(crate) is_conflating: bool,
    /// Of a STREAM: it tells who came and who went.
    pub(crate) notifies: bool,
    keepalive: i32,
    keepalive_count: i32,
    keepalive_idle: i32,
    keepalive_interval: i32,
    is_immediate: bool,
    is_ipv6: bool,
    probes_router: bool,
    is_verbose: bool,
    is_verboser: bool,
    pub(crate) is_manual: bool,
    is_without_drops: bool,
    welcome: Bytes,
    handshake_ivl: i32,
    heartbeat_ivl: i32,
    heartbeat_ttl: i32,
    heartbeat_timeout: i32,
    connect_timeout: i32,
    mechanism: Mechanism,
    is_server: bool,
    username: Vec<u8>,
    password: Vec<u8>,
    public_key: [u8; 32],
    secret_key: [u8; 32],
    server_key: [u8; 32],
    zap_domain: Vec<u8>,
    is_domain_enforced: bool,
}

impl Options {
    pub(crate) const fn new(socket_type: i32, context: &Settings) -> Self {
        Self {
            socket_type,
            affinity: 0,
            routing_id: Bytes::new(),
            send_buffer: -1,
            receive_buffer: -1,
            // Nobody waits for subscriptions to be sent.
            linger: match socket_type {
                kind::SUB | kind::XSUB => 0,
                _ if context.is_blocky => -1,
                _ => 0,
            },
            reconnect_ivl: 100,
            reconnect_ivl_max: 0,
            backlog: 100,
            message_bytes_max: -1,
            context_bytes_max: context.message_bytes_max,
            send_hwm: 1000,
            receive_hwm: 1000,
            receive_timeout: -1,
            send_timeout: -1,
            is_mandatory: false,
            is_handover: false,
            is_relaxed: false,
            is_correlated: false,
            is_conflating: false,
            notifies: true,
            keepalive: -1,
            keepalive_count: -1,
            keepalive_idle: -1,
            keepalive_interval: -1,
            is_immediate: false,
            is_ipv6: context.is_ipv6,
            probes_router: false,
            is_verbose: false,
            is_verboser: false,
            is_manual: false,
            is_without_drops: false,
            welcome: Bytes::new(),
            handshake_ivl: 30_000,
            heartbeat_ivl: 0,
            heartbeat_ttl: 0,
            heartbeat_timeout: -1,
            connect_timeout: 0,
            mechanism: Mechanism::Null,
            is_server: false,
            username: Vec::new(),
            password: Vec::new(),
            public_key: [0; 32],
            secret_key: [0; 32],
            server_key: [0; 32],
            zap_domain: Vec::new(),
            is_domain_enforced: false,
        }
    }

    const fn is(&self, socket_type: i32) -> bool {
        self.socket_type == socket_type
    }

    /// Sets an option.
    ///
    /// # Errors
    /// `EINVAL` when there is no such option, the type of socket does not have it, or not this value.
    pub(crate) fn set(&mut self, option: i32, value: &[u8]) -> Result<()> {
        if self.set_number(option, value)? || self.set_flag(option, value)? {
            return Ok(());
        }
        match option {
            n::AFFINITY => {
                let value = <[u8; 8]>::try_from(value).map_err(|_| Errno::EINVAL)?;
                self.affinity = i64::from_ne_bytes(value);
            }
            n::MAXMSGSIZE => {
                let value = <[u8; 8]>::try_from(value).map_err(|_| Errno::EINVAL)?;
                self.message_bytes_max = at_least(i64::from_ne_bytes(value), -1)?;
            }
            n::ROUTING_ID => {
                // What begins with a zero is what sockets without an id are called.
                if !(1..=255).contains(&value.len()) || value[0] == 0 {
                    return Err(Errno::EINVAL);
                }
                self.routing_id = Bytes::copy_from_slice(value);
            }
            n::XPUB_WELCOME_MSG if self.is(kind::XPUB) => {
                self.welcome = Bytes::copy_from_slice(value);
            }
            n::ZAP_DOMAIN => {
                let text = text(value);
                if text.len() > 255 {
                    return Err(Errno::EINVAL);
                }
                self.zap_domain = text.to_vec();
            }
            n::SOCKS_PROXY | n::BINDTODEVICE if text(value).is_empty() => {}
            n::PLAIN_USERNAME | n::PLAIN_PASSWORD => self.set_login(option, value)?,
            n::CURVE_PUBLICKEY | n::CURVE_SECRETKEY | n::CURVE_SERVERKEY => {
                self.set_key(option, value)?;
            }
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    /// Sets an option that is a number; false if it is none.
    fn set_number(&mut self, option: i32, value: &[u8]) -> Result<bool> {
        let (place, min, max) = match option {
            n::SNDBUF => (&mut self.send_buffer, -1, i32::MAX),
            n::RCVBUF => (&mut self.receive_buffer, -1, i32::MAX),
            n::LINGER => (&mut self.linger, -1, i32::MAX),
            n::RECONNECT_IVL => (&mut self.reconnect_ivl, -1, i32::MAX),
            n::RECONNECT_IVL_MAX => (&mut self.reconnect_ivl_max, 0, i32::MAX),
            n::BACKLOG => (&mut self.backlog, 0, i32::MAX),
            n::SNDHWM => (&mut self.send_hwm, 0, i32::MAX),
            n::RCVHWM => (&mut self.receive_hwm, 0, i32::MAX),
            n::RCVTIMEO => (&mut self.receive_timeout, -1, i32::MAX),
            n::SNDTIMEO => (&mut self.send_timeout, -1, i32::MAX),
            n::TCP_KEEPALIVE => (&mut self.keepalive, -1, 1),
            n::TCP_KEEPALIVE_CNT => (&mut self.keepalive_count, -1, i32::MAX),
            n::TCP_KEEPALIVE_IDLE => (&mut self.keepalive_idle, -1, i32::MAX),
            n::TCP_KEEPALIVE_INTVL => (&mut self.keepalive_interval, -1, i32::MAX),
            n::HANDSHAKE_IVL => (&mut self.handshake_ivl, 0, i32::MAX),
            n::HEARTBEAT_IVL => (&mut self.heartbeat_ivl, 0, i32::MAX),
            // It goes out as tenths of seconds in 16 bits.
            n::HEARTBEAT_TTL => (&mut self.heartbeat_ttl, 0, 6_553_599),
            n::HEARTBEAT_TIMEOUT => (&mut self.heartbeat_timeout, 0, i32::MAX),
            n::CONNECT_TIMEOUT => (&mut self.connect_timeout, 0, i32::MAX),
            _ => {
                let Some((_, only)) = FIXED.iter().find(|(found, _)| *found == option) else {
                    return Ok(false);
                };
                return if int(value)? == *only {
                    Ok(true)
                } else {
                    Err(Errno::EINVAL)
                };
            }
        };
        let value = int(value)?;
        if !(min..=max).contains(&value) {
            return Err(Errno::EINVAL);
        }
        *place = if option == n::HEARTBEAT_TTL {
            value / 100 * 100
        } else {
            value
        };
        Ok(true)
    }

    /// Sets an option that is on or off; false if it is none.
    fn set_flag(&mut self, option: i32, value: &[u8]) -> Result<bool> {
        let can_conflate = [kind::PUB, kind::SUB, kind::DEALER, kind::PUSH, kind::PULL];
        let place = match option {
            n::ROUTER_MANDATORY if self.is(kind::ROUTER) => &mut self.is_mandatory,
            n::ROUTER_HANDOVER if self.is(kind::ROUTER) => &mut self.is_handover,
            n::REQ_RELAXED if self.is(kind::REQ) => &mut self.is_relaxed,
            n::REQ_CORRELATE if self.is(kind::REQ) => &mut self.is_correlated,
            n::CONFLATE if can_conflate.contains(&self.socket_type) => &mut self.is_conflating,
            n::STREAM_NOTIFY if self.is(kind::STREAM) => &mut self.notifies,
            n::IMMEDIATE => &mut self.is_immediate,
            n::PROBE_ROUTER
                if [kind::REQ, kind::DEALER, kind::ROUTER].contains(&self.socket_type) =>
            {
                &mut self.probes_router
            }
            n::XPUB_VERBOSE if self.is(kind::XPUB) => &mut self.is_verbose,
            n::XPUB_VERBOSER if self.is(kind::XPUB) => &mut self.is_verboser,
            n::XPUB_MANUAL if self.is(kind::XPUB) => &mut self.is_manual,
            n::XPUB_NODROP if self.is(kind::XPUB) || self.is(kind::PUB) => {
                &mut self.is_without_drops
            }
            n::IPV6 => &mut self.is_ipv6,
            n::ZAP_ENFORCE_DOMAIN => &mut self.is_domain_enforced,
            n::IPV4ONLY => {
                self.is_ipv6 = !flag(value)?;
                return Ok(true);
            }
            n::PLAIN_SERVER | n::CURVE_SERVER => {
                self.is_server = flag(value)?;
                self.mechanism = match (self.is_server, option) {
                    (false, _) => Mechanism::Null,
                    (true, n::PLAIN_SERVER) => Mechanism::Plain,
                    (true, _) => Mechanism::Curve,
                };
                return Ok(true);
            }
            _ => return Ok(false),
        };
        *place = match option {
            n::CONFLATE | n::STREAM_NOTIFY | n::IMMEDIATE | n::IPV6 => flag(value)?,
            n::ZAP_ENFORCE_DOMAIN => int(value)? != 0,
            // Of some, every number that is not negative is on.
            _ => not_negative(int(value)?)? != 0,
        };
        // Each of the two says all of what is told.
        match option {
            n::XPUB_VERBOSE => self.is_verboser = false,
            n::XPUB_VERBOSER => self.is_verbose = self.is_verboser,
            _ => {}
        }
        Ok(true)
    }

    fn set_login(&mut self, option: i32, value: &[u8]) -> Result<()> {
        if value.len() > 255 {
            return Err(Errno::EINVAL);
        }
        if value.is_empty() {
            self.mechanism = Mechanism::Null;
            return Ok(());
        }
        self.mechanism = Mechanism::Plain;
        self.is_server = false;
        let place = if option == n::PLAIN_USERNAME {
            &mut self.username
        } else {
            &mut self.password
        };
        *place = value.to_vec();
        Ok(())
    }

    fn set_key(&mut self, option: i32, value: &[u8]) -> Result<()> {
        let key = match value.len() {
            32 => <[u8; 32]>::try_from(value).map_err(|_| Errno::EINVAL)?,
            40 | 41 => {
                let text = std::str::from_utf8(&value[..40]).map_err(|_| Errno::EINVAL)?;
                PublicKey::from_z85(text).map_err(|_| Errno::EINVAL)?.0
            }
            _ => return Err(Errno::EINVAL),
        };
        self.mechanism = Mechanism::Curve;
        match option {
            n::CURVE_PUBLICKEY => self.public_key = key,
            n::CURVE_SECRETKEY => self.secret_key = key,
            _ => {
                self.server_key = key;
                self.is_server = false;
            }
        }
        Ok(())
    }

    /// Whether there may be more room for an option than it takes. What is left is zero then.
    pub(crate) const fn is_roomy(option: i32) -> bool {
        matches!(
            option,
            n::RCVMORE | n::FD | n::EVENTS | n::THREAD_SAFE | n::LAST_ENDPOINT
        )
    }

    /// What an option is.
    ///
    /// # Errors
    /// `EINVAL` when there is no such option, or the type of socket does not have it.
    pub(crate) fn get(&self, option: i32) -> Result<Value> {
        if let Some((_, only)) = FIXED.iter().find(|(found, _)| *found == option) {
            return Ok(Value::Int(*only));
        }
        Ok(match option {
            n::AFFINITY => Value::Long(self.affinity),
            n::ROUTING_ID => Value::Bytes(self.routing_id.to_vec()),
            n::SNDBUF => Value::Int(self.send_buffer),
            n::RCVBUF => Value::Int(self.receive_buffer),
            n::TYPE => Value::Int(self.socket_type),
            n::LINGER => Value::Int(self.linger),
            n::RECONNECT_IVL => Value::Int(self.reconnect_ivl),
            n::RECONNECT_IVL_MAX => Value::Int(self.reconnect_ivl_max),
            n::BACKLOG => Value::Int(self.backlog),
            n::MAXMSGSIZE => Value::Long(self.message_bytes_max),
            n::SNDHWM => Value::Int(self.send_hwm),
            n::RCVHWM => Value::Int(self.receive_hwm),
            n::RCVTIMEO => Value::Int(self.receive_timeout),
            n::SNDTIMEO => Value::Int(self.send_timeout),
            n::ROUTER_MANDATORY if self.is(kind::ROUTER) => Value::Int(self.is_mandatory.into()),
            n::ROUTER_HANDOVER if self.is(kind::ROUTER) => Value::Int(self.is_handover.into()),
            n::TCP_KEEPALIVE => Value::Int(self.keepalive),
            n::TCP_KEEPALIVE_CNT => Value::Int(self.keepalive_count),
            n::TCP_KEEPALIVE_IDLE => Value::Int(self.keepalive_idle),
            n::TCP_KEEPALIVE_INTVL => Value::Int(self.keepalive_interval),
            n::IMMEDIATE => Value::Int(self.is_immediate.into()),
            n::IPV6 => Value::Int(self.is_ipv6.into()),
            n::IPV4ONLY => Value::Int((!self.is_ipv6).into()),
            n::MECHANISM => Value::Int(self.mechanism as i32),
            n::PLAIN_SERVER => Value::Int(self.is_server_of(Mechanism::Plain).into()),
            n::PLAIN_USERNAME => Value::Text(terminated(&self.username)),
            n::PLAIN_PASSWORD => Value::Text(terminated(&self.password)),
            n::CURVE_SERVER => Value::Int(self.is_server_of(Mechanism::Curve).into()),
            n::CURVE_PUBLICKEY => Value::Key(self.public_key),
            n::CURVE_SECRETKEY => Value::Key(self.secret_key),
            n::CURVE_SERVERKEY => Value::Key(self.server_key),
            n::CONFLATE => Value::Int(self.is_conflating.into()),
            n::ZAP_ENFORCE_DOMAIN => Value::Int(self.is_domain_enforced.into()),
            n::ZAP_DOMAIN => Value::Text(terminated(&self.zap_domain)),
            n::SOCKS_PROXY | n::BINDTODEVICE => Value::Text(vec![0]),
            n::HANDSHAKE_IVL => Value::Int(self.handshake_ivl),
            n::HEARTBEAT_IVL => Value::Int(self.heartbeat_ivl),
            n::HEARTBEAT_TTL => Value::Int(self.heartbeat_ttl),
            n::HEARTBEAT_TIMEOUT => Value::Int(self.heartbeat_timeout),
            n::CONNECT_TIMEOUT => Value::Int(self.connect_timeout),
            n::THREAD_SAFE => Value::Int(0),
            _ => return Err(Errno::EINVAL),
        })
    }

    fn is_server_of(&self, mechanism: Mechanism) -> bool {
        self.is_server && self.mechanism == mechanism
    }
}

/// What the options are to a socket behind the interface.
impl Options {
    /// Sets what all types have.
    pub(crate) fn common<K: Kind>(
        &self,
        builder: SocketBuilder<K>,
        context: &Context,
    ) -> Result<SocketBuilder<K>> {
        let hwm = |messages: i32| Hwm::messages(u64::try_from(messages).unwrap_or(0));
        let frame_max = usize::try_from(self.message_bytes_max).unwrap_or(usize::MAX);
        let context_max = match self.context_bytes_max {
            i32::MAX => usize::MAX,
            max => usize::try_from(max).unwrap_or(usize::MAX),
        };
        let builder = builder
            .send_hwm(hwm(self.send_hwm))
            .receive_hwm(hwm(self.receive_hwm))
            .linger(millis(self.linger))
            .immediate(self.is_immediate)
            .reconnect(self.reconnect())
            .handshake_timeout(some_millis(self.handshake_ivl))
            .connect_timeout(some_millis(self.connect_timeout))
            .heartbeat(self.heartbeat())
            .message_bytes_max(frame_max.min(context_max))
            .unfinished_max(usize::MAX)
            .backlog(u32::try_from(self.backlog).unwrap_or(0))
            .system_buffers(size(self.send_buffer), size(self.receive_buffer))
            .keepalive((self.keepalive == 1).then(|| self.keepalive_idle()))
            .keepalive_probes(
                seconds(self.keepalive_interval),
                u32::try_from(self.keepalive_count).ok(),
            )
            .ip_versions(if self.is_ipv6 {
                IpVersions::Both
            } else {
                IpVersions::V4
            });
        let builder = if self.is_without_drops {
            builder.on_full(OnFull::Block)
        } else {
            builder
        };
        self.secure(builder, context)
    }

    fn secure<K: Kind>(
        &self,
        builder: SocketBuilder<K>,
        context: &Context,
    ) -> Result<SocketBuilder<K>> {
        let zap = || {
            Zap {
                context: context.clone(),
                // As in libzmq: a name and a password are worth nothing unless somebody looks at them.
                needs_handler: self.is_domain_enforced || self.mechanism == Mechanism::Plain,
                domain: self.zap_domain.clone(),
                identity: self.routing_id.clone(),
            }
        };
        Ok(match (self.mechanism, self.is_server) {
            (Mechanism::Null, _) if self.zap_domain.is_empty() => builder,
            (Mechanism::Null, _) => builder.authenticator(zap()),
            (Mechanism::Plain, true) => builder.plain_server(zap()),
            (Mechanism::Plain, false) => builder
                .plain_client(self.username.clone(), self.password.clone())
                .map_err(|_| Errno::EINVAL)?,
            (Mechanism::Curve, true) if self.is_domain_enforced && self.zap_domain.is_empty() => {
                builder.curve_server(SecretKey::new(self.secret_key))
            }
            (Mechanism::Curve, true) => builder
                .curve_server(SecretKey::new(self.secret_key))
                .authenticator(zap()),
            (Mechanism::Curve, false) => {
                builder.curve_client(PublicKey(self.server_key), SecretKey::new(self.secret_key))
            }
        })
    }

    pub(crate) fn named<K: Named>(&self, builder: SocketBuilder<K>) -> Result<SocketBuilder<K>> {
        let builder = builder.probe_router(self.probes_router);
        if self.routing_id.is_empty() {
            return Ok(builder);
        }
        builder
            .routing_id(self.routing_id.clone())
            .map_err(|_| Errno::EINVAL)
    }

    pub(crate) fn xpub(&self, builder: SocketBuilder<kinds::XPub>) -> SocketBuilder<kinds::XPub> {
        let subscriptions = if self.is_manual {
            Subscriptions::Manual
        } else if self.is_verboser {
            Subscriptions::Verboser
        } else if self.is_verbose {
            Subscriptions::Verbose
        } else {
            Subscriptions::New
        };
        let builder = builder.subscriptions(subscriptions);
        if self.welcome.is_empty() {
            builder
        } else {
            builder.welcome(self.welcome.clone())
        }
    }

    fn reconnect(&self) -> Option<Reconnect> {
        // Without any pause a thread would do nothing else.
        let first = millis(self.reconnect_ivl)?.max(Duration::from_millis(1));
        let max = some_millis(self.reconnect_ivl_max).unwrap_or(first);
        let max = max.max(first);
        Some(Reconnect { first, max })
    }

    fn heartbeat(&self) -> Option<Heartbeat> {
        let interval = some_millis(self.heartbeat_ivl)?;
        Some(Heartbeat {
            interval,
            timeout: match self.heartbeat_timeout {
                -1 => interval,
                // Whoever does not answer stays.
                0 => NEVER,
                _ => some_millis(self.heartbeat_timeout).unwrap_or(interval),
            },
            ttl: some_millis(self.heartbeat_ttl),
        })
    }

    /// The system's own default is two hours.
    fn keepalive_idle(&self) -> Duration {
        seconds(self.keepalive_idle).unwrap_or(Duration::from_secs(7200))
    }
}

pub(crate) fn int(value: &[u8]) -> Result<i32> {
    let octets = <[u8; 4]>::try_from(value).map_err(|_| Errno::EINVAL)?;
    Ok(i32::from_ne_bytes(octets))
}

fn flag(value: &[u8]) -> Result<bool> {
    match int(value)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Errno::EINVAL),
    }
}

const fn not_negative(value: i32) -> Result<i32> {
    if value < 0 {
        return Err(Errno::EINVAL);
    }
    Ok(value)
}

fn at_least(value: i64, min: i64) -> Result<i64> {
    if value < min {
        return Err(Errno::EINVAL);
    }
    Ok(value)
}

/// A text up to its zero, if it has one.
fn text(value: &[u8]) -> &[u8] {
    value.split(|octet| *octet == 0).next().unwrap_or_default()
}

pub(crate) fn terminated(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    text.push(0);
    text
}

/// A negative number is for ever.
fn millis(ms: i32) -> Option<Duration> {
    u64::try_from(ms).ok().map(Duration::from_millis)
}

/// 0 is none.
fn some_millis(ms: i32) -> Option<Duration> {
    millis(ms).filter(|duration| !duration.is_zero())
}

fn seconds(seconds: i32) -> Option<Duration> {
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

fn size(bytes: i32) -> Option<usize> {
    usize::try_from(bytes).ok()
}

#[cfg(test)]
mod tests;
