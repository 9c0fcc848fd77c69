//! Takes all that is left in the queues.

use crate::history::{Ack, Delivery, History};
use crate::load::{destination, read_delivery};
use crate::plan::Plan;
use anyhow::{Context as _, Result};
use client::{Broker, Send, Subscribe};

/// Takes every queue empty with one subscription each.
///
/// A last message is put behind all others; when it comes, everything before it has come.
pub(crate) fn run(plan: &Plan, broker: &Broker, history: &mut History) -> Result<()> {
    for queue in 0..=plan.publishers {
        drain(queue, broker, history)
            .with_context(|| format!("draining {}", destination(queue)))?;
        history.subscriptions += 1;
    }
    Ok(())
}

fn drain(queue: u16, broker: &Broker, history: &mut History) -> Result<()> {
    let destination = destination(queue);
    let mut client = broker.connect()?;
    client.send(&Send {
        destination: &destination,
        persistent: true,
        receipt: Some("last"),
        headers: &[("last", "true")],
        ..Send::default()
    })?;
    let subscribe = Subscribe {
        id: "1",
        destination: &destination,
        ack: "auto",
        ..Subscribe::default()
    };
    client.subscribe(&subscribe)?;
    loop {
        let frame = client.receive()?;
        if frame.header("last").is_some() {
            return client.disconnect();
        }
        history.deliveries.push(Delivery {
            life: history.lives,
            subscription: history.subscriptions,
            ack: Ack::Sent,
            ..read_delivery(&frame)?
        });
    }
}
