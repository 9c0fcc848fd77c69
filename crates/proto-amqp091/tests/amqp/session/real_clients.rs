//! What real clients sent to another server, given to a session.

use super::Driven;
use std::path::Path;

/// The commands up to the first method that is not there yet.
fn commands(name: &str) -> (Vec<String>, Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let input = std::fs::read(folder.join(name).with_extension("bin")).unwrap();
    let mut driven = Driven::new();
    driven.feed(&input);
    let names = driven.take_log();
    let name_of = |text: String| text.split_once('(').map(|(name, _)| name.to_owned());
    let names = names.into_iter().filter_map(name_of).collect();
    (names, driven.read())
}

/// It settles what the other server delivered, and this one has not.
fn assert_ended(answers: &[String]) {
    let text = "406, reply_text: \"PRECONDITION_FAILED - unknown delivery tag 1\"";
    assert!(answers.iter().any(|it| it.contains(text)), "{answers:?}");
}

#[test]
fn pika_publishes_and_consumes() {
    let (commands, answers) = commands("pika");
    let expected = [
        "0 Authenticate",
        "0 Connect",
        "1 DeclareExchange",
        "1 DeclareExchange",
        "1 Bind",
        "1 Unbind",
        "1 DeclareExchange",
        "1 DeclareQueue",
        "1 DeclareQueue",
        "1 Bind",
        "1 Bind",
        "1 Unbind",
        "1 Publish",
        "1 Publish",
        "1 Publish",
        "1 Publish",
        "1 Subscribe",
        "0 Cancel",
        "2 Commit",
        "2 DeclareQueue",
        "0 Authenticate",
    ];
    assert_eq!(commands, expected);
    assert_ended(&answers);
}

#[test]
fn amqplib_publishes_and_consumes() {
    let (commands, answers) = commands("amqplib");
    let expected = [
        "0 Authenticate",
        "0 Connect",
        "1 DeclareExchange",
        "1 DeclareQueue",
        "1 Bind",
        "1 Subscribe",
        "1 Publish",
        "1 Publish",
        "1 Publish",
        "0 Cancel",
    ];
    assert_eq!(commands, expected);
    assert_ended(&answers);
}

#[test]
fn amqp_tools_open_publish_and_get() {
    let (asked, answers) = commands("amqp_publish");
    let expected = ["0 Authenticate", "0 Connect", "1 Publish", "1 Cancel"];
    assert_eq!(asked, expected);
    let expected = "0 ConnectionCloseOk(CloseOk)";
    assert_eq!(answers.last().unwrap(), expected);
    let (asked, answers) = commands("amqp_get");
    assert_eq!(asked, ["0 Authenticate", "0 Connect", "1 Get", "0 Cancel"]);
    let is_empty = |it: &String| it == "1 BasicGetEmpty(GetEmpty)";
    assert!(answers.iter().any(is_empty), "{answers:?}");
}
