//! Markdown of the suite `amqp`: a row per cell and system, Barid's ratios to each peer, and those aimed at.

use crate::{
    aims::{self, Aim, Bound},
    campaign::Campaign,
    cell::{Amqp, Shape, Speed},
    deliveries::cells,
    load::Sample,
    measure::Machine,
    ratios::{Figure, ratios},
    report::{heading, mib, notes},
    systems::System,
    wire::Safety,
};

/// In the order of the columns.
const FIGURES: [Figure; 7] = [
    Figure {
        name: "deliveries/s",
        value: per_second,
    },
    Figure {
        name: "broker CPU",
        value: cpu_us,
    },
    Figure {
        name: "latency p50",
        value: latency_p50,
    },
    Figure {
        name: "latency p99",
        value: |sample| sample.latency.map(|latency| latency.p99),
    },
    Figure {
        name: "confirm p50",
        value: |sample| sample.confirm.map(|confirm| confirm.p50),
    },
    Figure {
        name: "confirm p99",
        value: |sample| sample.confirm.map(|confirm| confirm.p99),
    },
    Figure {
        name: "RSS",
        value: |sample| Some(mib(sample.resident_bytes)),
    },
];

fn per_second(sample: &Sample) -> Option<f64> {
    Some(sample.delivered_per_second)
}

fn cpu_us(sample: &Sample) -> Option<f64> {
    Some(sample.broker_cpu_us)
}

fn latency_p50(sample: &Sample) -> Option<f64> {
    sample.latency.map(|latency| latency.p50)
}

/// The whole report.
pub(crate) fn render(machine: &Machine, campaign: &Campaign) -> String {
    let mut out = heading("Barid beside RabbitMQ, over AMQP 0-9-1", machine, campaign);
    out += "- `P-P`: P publishers, each through the default exchange to a queue of its own with one consumer; `1-N`: one \
            publisher to `amq.fanout`, N exclusive queues named by the broker with one consumer each; a connection and a \
            channel each; msg/s: deliveries/s to each consumer of a fan-out, of all queues together else\n\
            - `transient`: delivery-mode 1, no confirms, queues auto-delete and not durable; at most 10,000 messages or 8 MiB \
            of bodies in flight\n\
            - `confirms-N`: delivery-mode 2, durable queues, at most N confirms outstanding (all publishers together)\n\
            - `auto`: no-ack; `ack`: prefetch 1,000, one `basic.ack` with multiple for what a read brought and for at most 100 \
            deliveries; `ack-each`: the same prefetch, one for each delivery\n\
            - All: frames of up to 131,072 bytes, no heartbeats, no properties but delivery-mode, not mandatory\n\
            - Barid: its defaults; each confirm comes after the sync of the message's record\n\
            - RabbitMQ: its defaults, no plugins, classic queues; a confirm may come without a sync once the consumer has \
            acknowledged; RabbitMQ quorum: `x-queue-type` quorum, one node, in the cells with confirms\n\
            - Latency is from send (at a fixed rate: from when it was due) to delivery, at full speed mostly queueing\n\n";
    out += &cells(&campaign.results);
    out += &notes(&campaign.results);
    out += &ratios(campaign, &FIGURES);
    out.push('\n');
    out += &aims::table(campaign, &aims());
    out
}

fn aims() -> Vec<Aim> {
    let shapes = Shape::amqp().into_iter();
    shapes.flat_map(aims_of).collect()
}

fn aims_of(shape: Shape) -> Vec<Aim> {
    let Shape::Amqp(Amqp { safety, speed, .. }) = shape else {
        return Vec::new();
    };
    let aim = |peer, what, value, bound| Aim {
        shape,
        peer,
        what,
        value,
        bound,
    };
    let peers = [System::Rabbitmq, System::RabbitmqQuorum].into_iter();
    let peers = peers.filter(|peer| *peer == System::Rabbitmq || safety == Safety::Confirmed);
    match speed {
        Speed::Full => {
            let mut aims = vec![aim(
                System::Rabbitmq,
                "deliveries/s",
                per_second,
                Bound::AtLeast(10.0),
            )];
            if shape.copies() == 1 {
                let bound = Bound::OneIn(15.0);
                aims.push(aim(System::Rabbitmq, "broker CPU", cpu_us, bound));
            }
            aims
        }
        Speed::Outstanding(_) => peers
            .map(|peer| aim(peer, "deliveries/s", per_second, Bound::AtLeast(10.0)))
            .collect(),
        Speed::Rate(_) => peers
            .map(|peer| aim(peer, "latency p50", latency_p50, Bound::AtMost(0.5)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_has_its_aims() {
        let check = |name: &str, expect: &[&str]| {
            let shape = Shape::amqp().into_iter().find(|shape| shape.name() == name);
            let aims = aims_of(shape.unwrap());
            let told = aims
                .iter()
                .map(|aim| format!("{} {} {}", aim.peer, aim.what, aim.bound));
            assert_eq!(told.collect::<Vec<_>>(), expect, "{name}");
        };
        let transient = ["RabbitMQ deliveries/s ≥ 10", "RabbitMQ broker CPU ≤ 1/15"];
        check("transient-auto-1-1", &transient);
        check("transient-ack-4-4", &transient);
        check("transient-auto-1-10", &transient[..1]);
        check(
            "confirms-1024-ack-1-1",
            &[
                "RabbitMQ deliveries/s ≥ 10",
                "RabbitMQ quorum deliveries/s ≥ 10",
            ],
        );
        check(
            "rate-1000-transient-auto-1-10",
            &["RabbitMQ latency p50 ≤ 0.5"],
        );
        check(
            "rate-10000-confirms-ack-1-1",
            &[
                "RabbitMQ latency p50 ≤ 0.5",
                "RabbitMQ quorum latency p50 ≤ 0.5",
            ],
        );
    }
}
