//! What the listeners speak.

use crate::entropy;
use broker::Broker;
use broker_api::HeadReader;
use config::Config;
use model::{Dialect, Persistence, QueueName};
use net::{Carried, Messages, Protocol, Transport, WebSocketRules};
use proto_amqp091::Amqp091;
use proto_mqtt::{Mqtt, Told};
use proto_stomp::{HostRule, Stomp};
use proto_zmq::{Curve, ServerRandom, Zmq};
use std::sync::Arc;

/// Who reads the heads of messages of a dialect.
pub(crate) fn heads(dialect: Dialect) -> &'static dyn HeadReader {
    match dialect {
        Dialect::Stomp10 | Dialect::Stomp11 | Dialect::Stomp12 => &proto_stomp::StompHeads,
        Dialect::Mqtt3 | Dialect::Mqtt5 => &proto_mqtt::MqttHeads,
        Dialect::Amqp091 => &proto_amqp091::AmqpHeads,
        Dialect::Zmq => &proto_zmq::ZmqHeads,
    }
}

pub(crate) fn stomp(config: &Config, broker: &Broker) -> Protocol {
    let broker = broker.clone();
    let limits = proto_stomp::Limits {
        head_bytes_max: config.stomp.head_bytes_max,
        header_count_max: config.stomp.header_count_max,
        header_bytes_max: config.stomp.header_bytes_max,
        body_bytes_max: config.stomp.body_bytes_max,
        subscriptions_max: config.stomp.subscriptions_max,
        transaction_bytes_max: config.stomp.transaction_bytes_max,
        connect_timeout: config.stomp.connect_timeout,
        ..proto_stomp::Limits::default()
    };
    let hosts = if config.stomp.strict_host {
        HostRule::Known(Arc::default())
    } else {
        HostRule::AnyIsDefault
    };
    Protocol {
        name: "STOMP",
        session: Arc::new(move |now, id, _| {
            let session = Stomp::new(now, id, limits).with_heads(heads);
            Box::new(session.with_host_rule(hosts.clone()))
        }),
        attach: Arc::new(move |_, id, peer| Box::new(broker.attach(id, peer))),
    }
}

/// `seed` is a number of this process, for client identifiers that are made up.
pub(crate) fn mqtt(config: &Config, broker: &Broker, seed: u64) -> Protocol {
    let broker = broker.clone();
    let limits = Arc::new(proto_mqtt::SessionLimits {
        packets: proto_mqtt::Limits {
            packet_bytes_max: config.mqtt.packet_bytes_max,
            ..proto_mqtt::Limits::default()
        },
        subscriptions_max: config.mqtt.subscriptions_max,
        connect_timeout: config.mqtt.connect_timeout,
        receive_max: config.mqtt.receive_max,
        topic_alias_max: config.mqtt.topic_alias_max,
        topic_alias_send_max: config.mqtt.topic_alias_send_max,
        validate_payload_utf8: config.mqtt.validate_payload_utf8,
        keep_alive_seconds_max: config.mqtt.keep_alive_seconds_max,
        session_expiry_seconds_max: match config.mqtt.session_expiry_seconds_max {
            0 => u32::MAX,
            seconds => seconds,
        },
        session_messages_max: config.mqtt.session_messages_max,
        ..proto_mqtt::SessionLimits::default()
    });
    let told = Arc::new(Told {
        response_information: config.mqtt.response_information.as_str().into(),
        server_reference: config.mqtt.server_reference.as_str().into(),
        has_moved: config.mqtt.server_moved,
    });
    Protocol {
        name: "MQTT",
        session: Arc::new(move |now, id, _| {
            let session = Mqtt::new(now, id, Arc::clone(&limits), seed).with_heads(heads);
            Box::new(session.with_told(Arc::clone(&told)))
        }),
        attach: Arc::new(move |_, id, peer| Box::new(broker.attach(id, peer))),
    }
}

pub(crate) fn amqp(config: &Config, broker: &Broker) -> Protocol {
    let broker = broker.clone();
    let limits = proto_amqp091::Limits {
        body_bytes_max: config.amqp.body_bytes_max,
        channels_max: config.amqp.channels_max,
        consumers_max: config.amqp.consumers_max,
        open_timeout: config.amqp.connect_timeout,
        transaction_bytes_max: config.amqp.transaction_bytes_max,
        consumer_timeout: config.amqp.consumer_timeout,
        ..proto_amqp091::Limits::default()
    };
    Protocol {
        name: "AMQP",
        session: Arc::new(move |now, _, _| Box::new(Amqp091::new(now, limits).with_heads(heads))),
        attach: Arc::new(move |_, id, peer| Box::new(broker.attach(id, peer))),
    }
}

pub(crate) fn zmtp(
    config: &Config,
    broker: &Broker,
    queue: QueueName,
    curve: Option<Curve>,
) -> Protocol {
    let broker = broker.clone();
    let timeout = config.zmtp.connect_timeout.as_millis();
    let settings = Arc::new(proto_zmq::Settings {
        message_bytes_max: config.zmtp.message_bytes_max,
        subscriptions_max: config.zmtp.subscriptions_max,
        handshake_ms: u64::try_from(timeout).unwrap_or(u64::MAX),
        persistence: if config.zmtp.persistent {
            Persistence::Persistent
        } else {
            Persistence::Transient
        },
        curve,
        ..proto_zmq::Settings::new(queue)
    });
    Protocol {
        name: "ZMTP",
        session: Arc::new(move |now, _, _| {
            let session = Zmq::new(now, Arc::clone(&settings), heads);
            Box::new(match settings.curve {
                Some(_) => session.with_curve(ServerRandom::new(&entropy::draw())),
                None => session,
            })
        }),
        attach: Arc::new(move |_, id, peer| Box::new(broker.attach(id, peer))),
    }
}

pub(crate) fn admin(broker: &Broker) -> Protocol {
    let broker = broker.clone();
    Protocol {
        name: "admin",
        session: Arc::new(|_, _, _| Box::new(management::Admin::new())),
        attach: Arc::new(move |_, id, peer| Box::new(broker.attach_operator(id, peer))),
    }
}

/// Both protocols over WebSocket. Who names no subprotocol speaks STOMP, where both are.
pub(crate) fn over_websocket(config: &Config, stomp: Protocol, mqtt: Protocol) -> Transport {
    let stomp = Carried {
        rules: Arc::new(WebSocketRules {
            paths: &["/", "/ws", "/stomp"],
            subprotocols: &["v12.stomp", "v11.stomp", "v10.stomp"],
            frame_bytes: proto_stomp::written_frame_len,
            // The longest frame, and room for small ones beside it.
            message_bytes_max: config
                .stomp
                .body_bytes_max
                .saturating_add(config.stomp.head_bytes_max.saturating_mul(2)),
            messages: Messages::TextIfPossible,
        }),
        protocol: Protocol {
            name: "STOMP over WebSocket",
            ..stomp
        },
    };
    let mqtt = Carried {
        rules: Arc::new(WebSocketRules {
            paths: &["/", "/ws", "/mqtt"],
            subprotocols: &["mqtt", "mqttv3.1"],
            frame_bytes: proto_mqtt::written_packet_len,
            // The longest packet, and room for small ones beside it.
            message_bytes_max: config.mqtt.packet_bytes_max.saturating_mul(2),
            messages: Messages::Binary,
        }),
        protocol: Protocol {
            name: "MQTT over WebSocket",
            ..mqtt
        },
    };
    Transport::WebSocket(Arc::new([stomp, mqtt]))
}
