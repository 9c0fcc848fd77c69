//! Markdown of the suite `mqtt`: a row per cell and system, and Barid's ratios to each peer.

use crate::{
    campaign::Campaign,
    deliveries::cells,
    measure::Machine,
    ratios::{Figure, ratios},
    report::{heading, mib, notes},
};

/// In the order of the columns.
const FIGURES: [Figure; 6] = [
    Figure {
        name: "deliveries/s",
        value: |sample| Some(sample.delivered_per_second),
    },
    Figure {
        name: "broker CPU",
        value: |sample| Some(sample.broker_cpu_us),
    },
    Figure {
        name: "latency p50",
        value: |sample| sample.latency.map(|latency| latency.p50),
    },
    Figure {
        name: "latency p99",
        value: |sample| sample.latency.map(|latency| latency.p99),
    },
    Figure {
        name: "latency p99.9",
        value: |sample| sample.latency.map(|latency| latency.p999),
    },
    Figure {
        name: "RSS",
        value: |sample| Some(mib(sample.resident_bytes)),
    },
];

/// The whole report.
pub(crate) fn render(machine: &Machine, campaign: &Campaign) -> String {
    let mut out = heading("Barid beside its peers, over MQTT", machine, campaign);
    out += "- MQTT 3.1.1, subscriptions of the same quality of service as the messages; `qosQ-P-S`: P publishers to one \
            topic with S subscribers, each on a connection of its own; with QoS 1 and 2 at most 1,000 exchanges of \
            publishers are open; msg/s: deliveries/s to each of them\n\
            - `session`: clean_session=0; what waits for one is durable with Barid and RabbitMQ and is not with Mosquitto, whose \
            persistence is off\n\
            - Mosquitto: `persistence false`, `max_queued_messages 0`, `max_inflight_messages 0` (no bounds), \
            `set_tcp_nodelay true`; RabbitMQ: `mqtt.prefetch = 1000`; NATS by its own protocol, which has nothing of QoS 1 \
            and 2, for the CPU that a message costs\n\
            - Latency is from send (at a fixed rate: from when it was due) to delivery, at full speed mostly queueing\n\n";
    out += &cells(&campaign.results);
    out += &notes(&campaign.results);
    out += &ratios(campaign, &FIGURES);
    out
}
