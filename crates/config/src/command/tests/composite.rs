//! Names that stand for several others, in the file.

use super::{check_refused, config};
use crate::{Composite, Destination};

fn queue(name: &str) -> Destination {
    Destination::Queue(name.to_owned())
}

fn topic(name: &str) -> Destination {
    Destination::Topic(name.to_owned())
}

#[test]
fn composites_are_read_from_the_file() {
    let file = r#"
        [[composite]]
        queue = "orders"
        to = ["queue://a", "topic://b.c"]

        [[composite]]
        topic = "orders"
        to = [" queue://d "]
        keep = true

        [store]
        shards = 8
    "#
    .replace("\" queue://d \"", "\"queue:// d \"");
    let config = config("--config barid.toml", &[], &file);
    assert_eq!(config.store.shards, 8);
    assert_eq!(
        config.composites,
        [
            Composite {
                name: queue("orders"),
                to: vec![queue("a"), topic("b.c")],
                keep: false,
            },
            Composite {
                name: topic("orders"),
                to: vec![queue("d")],
                keep: true,
            },
        ]
    );
    let one_line = "composite = [{ topic = \"a.b\", to = [\"queue://c\"], keep = false }]";
    let config = super::config("--config barid.toml", &[], one_line);
    assert_eq!(config.composites[0].name, topic("a.b"));
    assert_eq!(config.composites[0].name.to_string(), "topic://a.b");
}

/// Expects that a file with this composite, behind a good one, is refused with all of these parts.
fn check_composite_refused(composite: &str, parts: &[&str]) {
    let good = "[[composite]]\nqueue = \"good\"\nto = [\"queue://a\"]\n";
    let file = format!("{good}[[composite]]\n{composite}");
    check_refused("--config barid.toml", &[], &file, parts);
}

#[test]
fn what_is_wrong_with_a_composite_is_named_with_its_place() {
    check_composite_refused(
        "queue = \"q\"\nto = [\"queue://a\"]\nkeeps = true",
        &[
            "unknown key composite[1].keeps",
            "did you mean composite[1].keep?",
            "barid.toml",
        ],
    );
    check_composite_refused(
        "queue = \"q\"\nto = []",
        &["composite[1].to", "at least one \"queue://NAME\""],
    );
    check_composite_refused("queue = \"q\"", &["composite[1].to"]);
    check_composite_refused(
        "queue = \"q\"\nto = \"queue://a\"",
        &["composite[1].to = \"queue://a\"", "a list of at least one"],
    );
    check_composite_refused(
        "queue = \"q\"\nto = [\"queue://a\", \"b\", 7, \"topic://\"]",
        &[
            "composite[1].to[1] = \"b\"",
            "composite[1].to[2] = \"7\"",
            "composite[1].to[3] = \"topic://\"",
        ],
    );
    check_composite_refused(
        "queue = \"q\"\ntopic = \"t\"\nto = [\"queue://a\"]",
        &["composite[1] = \"both\"", "either queue or topic"],
    );
    check_composite_refused(
        "to = [\"queue://a\"]",
        &["composite[1] = \"neither\"", "either queue or topic"],
    );
    check_composite_refused(
        "queue = \" \"\nto = [\"queue://a\"]",
        &["composite[1].queue", "a name"],
    );
    check_composite_refused(
        "topic = 7\nto = [\"queue://a\"]",
        &["composite[1].topic = \"7\""],
    );
    check_composite_refused(
        "queue = \"q\"\nto = [\"queue://a\"]\nkeep = \"yes\"",
        &["composite[1].keep = \"yes\"", "true, false"],
    );
    check_composite_refused(
        "queue = \"good\"\nto = [\"queue://b\"]",
        &[
            "composite[1] = \"queue://good\"",
            "no composite before it has",
        ],
    );
    let args = "--config barid.toml";
    check_refused(
        args,
        &[],
        "composite = 7",
        &["composite = \"7\"", "[[composite]]"],
    );
    check_refused(
        args,
        &[],
        "composite = [7]",
        &["composite[0] = \"7\"", "a table"],
    );
    check_refused(args, &[], "[composite]\nqueue = \"q\"", &["[[composite]]"]);
    check_refused(
        "",
        &["BARID_COMPOSITE=x"],
        "",
        &["unknown key BARID_COMPOSITE"],
    );
}
