use super::super::Address;
use super::*;
use proptest::collection::vec;
use proptest::prelude::{any, proptest};

fn queue(name: &str) -> Destination<'_> {
    Destination::Queue(Cow::Borrowed(name.as_bytes()))
}

fn existing(name: &str) -> Destination<'_> {
    Destination::ExistingQueue(Cow::Borrowed(name.as_bytes()))
}

fn exchange<'a>(exchange: &'a str, key: &'a str, reading: KeyReading) -> Destination<'a> {
    Destination::Exchange {
        exchange: Cow::Borrowed(exchange.as_bytes()),
        key: Cow::Borrowed(key.as_bytes()),
        reading,
    }
}

fn topic(key: &str, reading: KeyReading) -> Destination<'_> {
    exchange("amq.topic", key, reading)
}

fn check(text: &str, expected: &[Destination<'_>]) {
    let address = Address::parse(text.as_bytes());
    let found = address.map(|address| address.iter().cloned().collect());
    assert_eq!(found, Ok(expected.to_vec()), "{text}");
}

fn refuse(text: &str, expected: DestinationError) {
    let found = Address::parse(text.as_bytes()).map(|address| address.iter().count());
    assert_eq!(found, Err(expected), "{text}");
}

#[test]
fn resolves_the_forms_of_rabbitmq() {
    check("/queue/a", &[queue("a")]);
    check("/queue/a/b", &[queue("a/b")]);
    check("/queue/a%2Fb%3a", &[queue("a/b:")]);
    check("/queue/100%", &[queue("100%")]);
    check("/queue/%zz%4", &[queue("%zz%4")]);
    check("/queue/a,b?c", &[queue("a,b?c")]);
    check("/topic/a.*.#", &[topic("a.*.#", KeyReading::Hash)]);
    check("/topic/a.b/c", &[topic("a.b/c", KeyReading::Hash)]);
    check("/amq/queue/a/b", &[existing("a/b")]);
    check("/reply-queue/amq.gen-x%25", &[existing("amq.gen-x%")]);
    let at = KeyReading::AsExchange;
    check("/exchange/x", &[exchange("x", "", at)]);
    check("/exchange/x/", &[exchange("x", "", at)]);
    check("/exchange/x%2Fy/k/l%20", &[exchange("x/y", "k/l ", at)]);
}

#[test]
fn resolves_the_forms_of_activemq() {
    check("queue://a/b%2F", &[queue("a/b%2F")]);
    check("topic://a.>", &[topic("a.>", KeyReading::Arrow)]);
    check("plant.orders", &[queue("plant.orders")]);
    check("temp-queue://r", &[Destination::TemporaryQueue(b"r")]);
    check("temp-topic://r", &[Destination::TemporaryTopic(b"r")]);
    check("/temp-topic/r", &[Destination::TemporaryTopic(b"r")]);
    check("/remote-temp-queue/amq.gen-1", &[existing("amq.gen-1")]);
    check("/remote-temp-topic/a.b", &[topic("a.b", KeyReading::Hash)]);
}

#[test]
fn a_list_has_the_kind_of_its_first_where_none_is_named() {
    let arrow = KeyReading::Arrow;
    check("a,b", &[queue("a"), queue("b")]);
    check(
        "queue://a,topic://b,c",
        &[queue("a"), topic("b", arrow), queue("c")],
    );
    check("topic://a,b.>", &[topic("a", arrow), topic("b.>", arrow)]);
    refuse("a,", DestinationError::QueueName(QueueNameError::Empty));
    check(&["a"; 32].join(","), &vec![queue("a"); 32]);
    let limit = 32;
    refuse(&["a"; 33].join(","), DestinationError::LongList { limit });
}

#[test]
fn options_stand_behind_a_question_mark() {
    let address = Address::parse(b"queue://a,b?consumer.priority=5").unwrap();
    assert_eq!(address.iter().count(), 2);
    assert_eq!(address.options, b"consumer.priority=5");
}

#[test]
fn each_form_has_its_wildcards() {
    let key = |text: &[u8]| {
        let Destination::Exchange { key, reading, .. } = Address::parse(text).unwrap().first else {
            panic!("{text:?} leads to no exchange");
        };
        reading.binding_key(&key)
    };
    assert_eq!(key(b"topic://a.*.>"), Pattern::dotted(b"a.*.#").into());
    assert_eq!(key(b"/topic/a.*.#"), Pattern::dotted(b"a.*.#").into());
    assert_ne!(key(b"topic://a.#"), key(b"/topic/a.#"), "here it is a word");
    assert_ne!(key(b"/topic/a.>"), key(b"topic://a.>"), "and here that is");
    let exact = BindingKey::Exact((*b"a.#").into());
    assert_eq!(key(b"/exchange/amq.topic/a.#"), exact);
}

#[test]
fn refuses_the_rest() {
    let empty = DestinationError::QueueName(QueueNameError::Empty);
    let too_long = DestinationError::QueueName(QueueNameError::TooLong(256));
    refuse("/queue/", empty);
    refuse("/amq/queue/", empty);
    refuse("temp-queue://", empty);
    refuse(&format!("/queue/{}", "n".repeat(256)), too_long);
    refuse("queue://", empty);
    refuse("/topic/", DestinationError::EmptyKey);
    let (length, limit) = (256, 255);
    let long = "a.".repeat(128);
    refuse(
        &format!("/topic/{long}"),
        DestinationError::LongKey { length, limit },
    );
    refuse(
        &format!("/exchange/x/{long}"),
        DestinationError::LongKey { length, limit },
    );
    refuse(
        &format!("/exchange/{long}"),
        DestinationError::LongExchange { length },
    );
    refuse("/exchange/", DestinationError::EmptyExchange);
    refuse("/exchange//k", DestinationError::EmptyExchange);
    refuse("/queues/a", DestinationError::Unknown);
    refuse("", DestinationError::Unknown);
    refuse("/stream/a", DestinationError::NotImplemented);
    refuse("/temp-queue/a", DestinationError::OnlyReplyTo);
}

proptest! {
    #[test]
    fn percent_encoding_is_reversed(name in vec(any::<u8>(), 0..40)) {
        let mut spelled = Vec::new();
        percent_encode(&name, b"@", &mut spelled);
        assert!(spelled.iter().all(|octet| octet.is_ascii_graphic() && *octet != b'@'));
        assert_eq!(&*percent_decode(&spelled), &*name);
    }
}
