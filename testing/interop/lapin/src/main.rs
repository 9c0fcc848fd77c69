//! Features of AMQP 0-9-1 as lapin uses them. Usage: `lapin-cases CASE VERSION HOST PORT`.

use futures_lite::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicPublishOptions, BasicQosOptions, BasicRejectOptions, ConfirmSelectOptions,
    ExchangeBindOptions, ExchangeDeclareOptions, ExchangeUnbindOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldArray, FieldTable, LongString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, Event,
    ExchangeKind,
};
use std::fmt::Debug;
use std::time::Duration;

/// Never waited out when all is well.
const WAIT_MAX: Duration = Duration::from_secs(60);

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [case, _, host, port] = &args[..] else {
        return Err("usage: CASE VERSION HOST PORT".into());
    };
    let uri = format!("amqp://guest:guest@{host}:{port}/%2f");
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await?;
    let run = async {
        match case.as_str() {
            "publishes_are_confirmed" => publishes_are_confirmed(&connection).await,
            "what_goes_nowhere_is_returned" => what_goes_nowhere_is_returned(&connection).await,
            "deliveries_are_settled" => deliveries_are_settled(&connection).await,
            "exchanges_are_bound_to_exchanges" => {
                exchanges_are_bound_to_exchanges(&connection).await
            }
            "queues_have_arguments" => queues_have_arguments(&connection).await,
            "properties_stay" => properties_stay(&connection).await,
            "consumers_end_with_their_queue" => consumers_end_with_their_queue(&connection).await,
            "errors_have_their_codes" => errors_have_their_codes(&connection).await,
            "transactions_take_effect_together" => {
                transactions_take_effect_together(&connection).await
            }
            "publishers_are_told_to_wait" => publishers_are_told_to_wait(&connection).await,
            _ => Err(format!("no case {case}").into()),
        }
    };
    tokio::time::timeout(WAIT_MAX, run).await??;
    Ok(())
}

fn same<T: PartialEq + Debug>(found: T, expected: T) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{found:?} is not {expected:?}").into())
}

async fn declare(channel: &Channel, name: &str, arguments: FieldTable) -> Result<(), Error> {
    let options = QueueDeclareOptions::default();
    channel
        .queue_declare(name.into(), options, arguments)
        .await?;
    Ok(())
}

/// How many messages a queue has.
async fn depth(channel: &Channel, name: &str) -> Result<u32, Error> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let declared = channel.queue_declare(name.into(), options, FieldTable::default());
    Ok(declared.await?.message_count())
}

async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &[u8],
    properties: BasicProperties,
) -> Result<Confirmation, Error> {
    let options = BasicPublishOptions::default();
    let published = channel.basic_publish(exchange.into(), key.into(), options, body, properties);
    Ok(published.await?.await?)
}

async fn consume(channel: &Channel, queue: &str) -> Result<Consumer, Error> {
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(
        queue.into(),
        "consumer".into(),
        options,
        FieldTable::default(),
    );
    Ok(consumer.await?)
}

async fn confirming(connection: &Connection) -> Result<Channel, Error> {
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    Ok(channel)
}

// Publishing.

async fn publishes_are_confirmed(connection: &Connection) -> Result<(), Error> {
    let channel = confirming(connection).await?;
    let options = QueueDeclareOptions::durable();
    channel
        .queue_declare("q".into(), options, FieldTable::default())
        .await?;
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let mut confirms = Vec::new();
    for number in 0..1000 {
        let body = number.to_string();
        let options = BasicPublishOptions::default();
        let published = channel.basic_publish(
            "".into(),
            "q".into(),
            options,
            body.as_bytes(),
            persistent.clone(),
        );
        confirms.push(published.await?);
    }
    for confirm in confirms {
        same(confirm.await?, Confirmation::Ack(None))?;
    }
    same(depth(&channel, "q").await?, 1000)
}

async fn what_goes_nowhere_is_returned(connection: &Connection) -> Result<(), Error> {
    let channel = confirming(connection).await?;
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let properties = BasicProperties::default().with_type("t".into());
    let body = vec![b'x'; 300_000];
    let published = channel.basic_publish(
        "amq.direct".into(),
        "nobody".into(),
        options,
        &body,
        properties,
    );
    let Confirmation::Ack(Some(returned)) = published.await?.await? else {
        return Err("it is not returned".into());
    };
    same(returned.reply_code, 312)?;
    same(returned.reply_text.as_str(), "NO_ROUTE")?;
    same(returned.delivery.exchange.as_str(), "amq.direct")?;
    same(returned.delivery.routing_key.as_str(), "nobody")?;
    same(
        returned.delivery.properties.kind().clone(),
        Some("t".into()),
    )?;
    same(returned.delivery.data, body)
}

// Consuming.

async fn deliveries_are_settled(connection: &Connection) -> Result<(), Error> {
    let channel = confirming(connection).await?;
    declare(&channel, "q", FieldTable::default()).await?;
    for number in 0..7 {
        let body = number.to_string();
        publish(
            &channel,
            "",
            "q",
            body.as_bytes(),
            BasicProperties::default(),
        )
        .await?;
    }
    channel.basic_qos(4, BasicQosOptions::default()).await?;
    let mut consumer = consume(&channel, "q").await?;
    let mut held = Vec::new();
    for number in 0..4 {
        let delivery = consumer.next().await.ok_or("the consumer ended")??;
        same(
            (delivery.data.clone(), delivery.redelivered),
            (number.to_string().into(), false),
        )?;
        held.push(delivery);
    }
    same(depth(&channel, "q").await?, 3)?;
    let multiple = BasicAckOptions { multiple: true };
    held[1].ack(multiple).await?;
    held[2]
        .reject(BasicRejectOptions { requeue: false })
        .await?;
    let requeue = BasicNackOptions {
        multiple: false,
        requeue: true,
    };
    held[3].nack(requeue).await?;
    let mut found = Vec::new();
    while found.len() < 4 {
        let delivery = consumer.next().await.ok_or("the consumer ended")??;
        delivery.ack(BasicAckOptions::default()).await?;
        found.push((String::from_utf8(delivery.data)?, delivery.redelivered));
    }
    // What goes back takes its place before what has not left the queue.
    found.sort();
    let expected = [("3", true), ("4", false), ("5", false), ("6", false)];
    same(
        found,
        expected
            .map(|(body, again)| (body.to_owned(), again))
            .to_vec(),
    )?;
    channel
        .basic_cancel("consumer".into(), BasicCancelOptions::default())
        .await?;
    same(
        channel
            .basic_get("q".into(), BasicGetOptions::default())
            .await?
            .is_none(),
        true,
    )
}

async fn consumers_end_with_their_queue(connection: &Connection) -> Result<(), Error> {
    let channel = connection.create_channel().await?;
    declare(&channel, "q", FieldTable::default()).await?;
    let mut consumer = consume(&channel, "q").await?;
    let other = connection.create_channel().await?;
    other
        .queue_delete("q".into(), QueueDeleteOptions::default())
        .await?;
    // `basic.cancel` of the broker ends the stream, and the channel goes on.
    same(consumer.next().await.is_none(), true)?;
    declare(&channel, "q", FieldTable::default()).await
}

// Exchanges and queues.

async fn exchanges_are_bound_to_exchanges(connection: &Connection) -> Result<(), Error> {
    let channel = confirming(connection).await?;
    declare(&channel, "q", FieldTable::default()).await?;
    for (name, kind) in [("from", ExchangeKind::Topic), ("to", ExchangeKind::Fanout)] {
        let options = ExchangeDeclareOptions {
            auto_delete: true,
            ..ExchangeDeclareOptions::default()
        };
        let declared = channel.exchange_declare(name.into(), kind, options, FieldTable::default());
        declared.await?;
    }
    let bound = channel.exchange_bind(
        "to".into(),
        "from".into(),
        "a.*".into(),
        ExchangeBindOptions::default(),
        FieldTable::default(),
    );
    bound.await?;
    let bound = channel.queue_bind(
        "q".into(),
        "to".into(),
        "".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await?;
    for key in ["a.b", "a.b.c", "b"] {
        publish(
            &channel,
            "from",
            key,
            key.as_bytes(),
            BasicProperties::default(),
        )
        .await?;
    }
    same(depth(&channel, "q").await?, 1)?;
    let unbound = channel.exchange_unbind(
        "to".into(),
        "from".into(),
        "a.*".into(),
        ExchangeUnbindOptions::default(),
        FieldTable::default(),
    );
    unbound.await?;
    // It was deleted with its last binding.
    let error = publish(&channel, "from", "a.b", b"", BasicProperties::default()).await;
    let error = error
        .err()
        .ok_or("the exchange is still there")?
        .to_string();
    same(error.contains("NOT_FOUND"), true)
}

async fn queues_have_arguments(connection: &Connection) -> Result<(), Error> {
    let channel = confirming(connection).await?;
    declare(&channel, "dead", FieldTable::default()).await?;
    let mut arguments = FieldTable::default();
    for (name, value) in [
        ("x-max-length", AMQPValue::LongLongInt(2)),
        ("x-dead-letter-exchange", AMQPValue::LongString("".into())),
        (
            "x-dead-letter-routing-key",
            AMQPValue::LongString("dead".into()),
        ),
        ("x-max-priority", AMQPValue::ShortShortUInt(5)),
        ("x-message-ttl", AMQPValue::LongUInt(60_000)),
        ("x-overflow", AMQPValue::LongString("drop-head".into())),
    ] {
        arguments.insert(name.into(), value);
    }
    declare(&channel, "q", arguments.clone()).await?;
    for (body, priority) in [("low", 0), ("high", 4), ("middle", 2)] {
        let properties = BasicProperties::default().with_priority(priority);
        publish(&channel, "", "q", body.as_bytes(), properties).await?;
    }
    let mut bodies = Vec::new();
    for queue in ["q", "q", "dead"] {
        let options = BasicGetOptions { no_ack: true };
        let message = channel.basic_get(queue.into(), options).await?;
        let message = message.ok_or("the queue is empty")?;
        bodies.push(String::from_utf8(message.delivery.data)?);
    }
    same(
        bodies,
        ["high", "middle", "low"].map(str::to_owned).to_vec(),
    )?;
    // The same again, and then something else.
    declare(&channel, "q", arguments.clone()).await?;
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(3));
    let error = declare(&channel, "q", arguments).await;
    let error = error.err().ok_or("it is declared anew")?.to_string();
    same(error.contains("PRECONDITION_FAILED"), true)
}

async fn properties_stay(connection: &Connection) -> Result<(), Error> {
    let channel = confirming(connection).await?;
    declare(&channel, "q", FieldTable::default()).await?;
    let mut inner = FieldTable::default();
    inner.insert("void".into(), AMQPValue::Void);
    let mut headers = FieldTable::default();
    for (name, value) in [
        ("text", AMQPValue::LongString(LongString::from("Größe"))),
        ("bytes", AMQPValue::ByteArray(vec![0, 255].into())),
        ("yes", AMQPValue::Boolean(true)),
        ("tiny", AMQPValue::ShortShortInt(-5)),
        ("short", AMQPValue::ShortInt(-300)),
        ("int", AMQPValue::LongInt(-70_000)),
        ("long", AMQPValue::LongLongInt(-(1 << 40))),
        ("half", AMQPValue::Double(0.5)),
        ("at", AMQPValue::Timestamp(1_700_000_000)),
        (
            "list",
            AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::LongInt(1)])),
        ),
        ("table", AMQPValue::FieldTable(inner)),
    ] {
        headers.insert(name.into(), value);
    }
    let said = BasicProperties::default()
        .with_content_type("text/plain".into())
        .with_content_encoding("gzip".into())
        .with_headers(headers)
        .with_delivery_mode(2)
        .with_priority(7)
        .with_correlation_id("c".into())
        .with_reply_to("answers".into())
        .with_expiration("60000".into())
        .with_message_id("m".into())
        .with_timestamp(1_700_000_000)
        .with_type("t".into())
        .with_user_id("guest".into())
        .with_app_id("a".into())
        .with_cluster_id("x".into());
    publish(&channel, "", "q", &[0, 1, 255], said.clone()).await?;
    let found = channel.basic_get("q".into(), BasicGetOptions::default());
    let found = found.await?.ok_or("the queue is empty")?;
    same(found.delivery.properties.clone(), said)?;
    same(found.delivery.data.clone(), vec![0, 1, 255])
}

// Errors, transactions, a broker without room.

async fn errors_have_their_codes(connection: &Connection) -> Result<(), Error> {
    let rows: [(&str, u16); 3] = [("passive", 404), ("default", 403), ("tag", 406)];
    for (what, code) in rows {
        let channel = connection.create_channel().await?;
        let error = match what {
            "passive" => depth(&channel, "nowhere").await.err(),
            "default" => {
                let bound = channel.queue_bind(
                    "q".into(),
                    "".into(),
                    "k".into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                );
                declare(&confirming(connection).await?, "q", FieldTable::default()).await?;
                bound.await.err().map(Into::into)
            }
            _ => {
                channel.basic_ack(7, BasicAckOptions::default()).await?;
                depth(&channel, "q").await.err()
            }
        };
        let error = error.ok_or_else(|| format!("{what} is taken"))?;
        let error = error.downcast::<lapin::Error>()?;
        let lapin::ErrorKind::ProtocolError(error) = error.kind() else {
            return Err(format!("{what}: {error:?}").into());
        };
        same(error.get_id(), code)?;
        same(channel.status().connected(), false)?;
    }
    // The connection goes on, and ends in order.
    same(connection.status().connected(), true)?;
    connection.close(200, "bye".into()).await?;
    Ok(())
}

async fn transactions_take_effect_together(connection: &Connection) -> Result<(), Error> {
    let channel = connection.create_channel().await?;
    declare(&channel, "q", FieldTable::default()).await?;
    channel.tx_select().await?;
    for body in [b"1", b"2"] {
        publish(&channel, "", "q", body, BasicProperties::default()).await?;
    }
    same(depth(&channel, "q").await?, 0)?;
    channel.tx_commit().await?;
    same(depth(&channel, "q").await?, 2)?;
    publish(&channel, "", "q", b"3", BasicProperties::default()).await?;
    channel.tx_rollback().await?;
    same(depth(&channel, "q").await?, 2)
}

/// For a broker whose disk is full.
async fn publishers_are_told_to_wait(connection: &Connection) -> Result<(), Error> {
    let mut events = connection.events_listener();
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions::durable();
    channel
        .queue_declare("q".into(), options, FieldTable::default())
        .await?;
    publish(&channel, "", "q", b"x", BasicProperties::default()).await?;
    while let Some(event) = events.next().await {
        if matches!(event, Event::ConnectionBlocked(_)) {
            return Ok(());
        }
    }
    Err("nothing is told".into())
}
