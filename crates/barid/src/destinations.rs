//! Destinations from the settings, as the broker knows them.

use anyhow::Context as _;
use broker::{Address, Composite, VirtualTopics};
use config::Destination;
use model::{ExchangeName, QueueName};

/// Virtual topics, unless they are off.
pub(crate) fn virtual_topics(settings: &config::VirtualTopic) -> Option<VirtualTopics> {
    (!settings.topics.is_empty()).then(|| VirtualTopics {
        topics: settings.topics.clone().into_bytes(),
        queue_prefix: settings.queue_prefix.clone().into_bytes(),
    })
}

/// Destinations that stand for others.
pub(crate) fn composites(settings: &[config::Composite]) -> anyhow::Result<Vec<Composite>> {
    settings.iter().map(composite).collect()
}

fn composite(settings: &config::Composite) -> anyhow::Result<Composite> {
    let kept = settings.keep.then_some(&settings.name);
    let to = settings.to.iter().chain(kept).map(address);
    Ok(Composite {
        from: address(&settings.name)?,
        to: to.collect::<anyhow::Result<_>>()?,
    })
}

fn address(destination: &Destination) -> anyhow::Result<Address> {
    match destination {
        Destination::Queue(name) => {
            QueueName::new(name.as_bytes())
                .with_context(|| format!("composite '{destination}'"))?;
            Ok(Address {
                exchange: ExchangeName::default_exchange(),
                key: name.clone().into_bytes(),
            })
        }
        Destination::Topic(key) => Ok(Address {
            exchange: ExchangeName::topic(),
            key: key.clone().into_bytes(),
        }),
    }
}
