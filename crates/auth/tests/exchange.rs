//! Authentications of all mechanisms, message by message.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use auth::{
    Decoys, Exchange, ExchangeError, ExchangeFailed, Mechanism, Nonce, Plain, PlainError,
    PrepareError, ScramClient, ScramCredentials, ScramError, Step, UserChange, Users,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{any, proptest};
use std::sync::LazyLock;

/// "ada", with the password "pencil".
static USERS: LazyLock<Users> = LazyLock::new(|| {
    let mut users = Users::new(Decoys::new([7; 32]));
    let credentials = ScramCredentials::from_password("pencil", &[1; 16], 4_096).unwrap();
    let change = UserChange::Put {
        name: "ada".into(),
        credentials,
        replace: false,
    };
    users.apply(change).unwrap();
    users
});

fn step(exchange: Exchange, message: Option<&[u8]>) -> Result<Step, ExchangeFailed> {
    exchange.step(message, &USERS, || [9; 18])
}

/// What a client that wants to be `name`, acting as `acts_as`, comes to.
#[expect(clippy::panic_in_result_fn, reason = "a test fails by a panic")]
fn scram(name: &str, password: &str, acts_as: Option<&str>) -> Result<String, ExchangeFailed> {
    let nonce = Nonce::from_text("client").unwrap();
    let client = ScramClient::new(name, password, &nonce).unwrap();
    let client = match acts_as {
        Some(other) => client.acting_as(other).unwrap(),
        None => client,
    };
    let exchange = Exchange::new(Mechanism::ScramSha256);
    let first = client.first_message();
    let Step::Challenge(challenge, next) = step(exchange, Some(first.as_bytes()))? else {
        panic!("no challenge")
    };
    let (last, client) = client.respond(&challenge).unwrap();
    let Step::Verified { name, data } = step(next, Some(last.as_bytes()))? else {
        panic!("not verified")
    };
    client.verify(&data).unwrap();
    Ok(name)
}

fn failed(name: Option<&str>, error: ExchangeError) -> ExchangeFailed {
    ExchangeFailed {
        name: name.map(str::to_owned),
        error,
    }
}

#[test]
fn mechanisms_are_known_by_name() {
    for mechanism in Mechanism::ALL {
        let name = mechanism.name().as_bytes();
        assert_eq!(Mechanism::from_name(name), Some(mechanism));
    }
    for name in [&b""[..], b"plain", b"SCRAM-SHA-1", b"SCRAM-SHA-256-PLUS"] {
        assert_eq!(Mechanism::from_name(name), None);
    }
}

#[test]
fn scram_shows_who_a_client_is() {
    assert_eq!(scram("ada", "pencil", None).unwrap(), "ada");
    assert_eq!(scram("ada", "pencil", Some("ada")).unwrap(), "ada");
    let proof = |name| failed(Some(name), ScramError::Proof.into());
    assert_eq!(scram("ada", "crayon", None).unwrap_err(), proof("ada"));
    assert_eq!(scram("bob", "pencil", None).unwrap_err(), proof("bob"));
    let acts = failed(Some("ada"), ExchangeError::ActsAsAnother);
    assert_eq!(scram("ada", "pencil", Some("bob")).unwrap_err(), acts);
    let exchange = Exchange::new(Mechanism::ScramSha256);
    assert!(step(exchange, Some(b"")).is_err());
}

#[test]
fn plain_shows_a_password() {
    let check = |acts_as, name, password, expected: Result<&str, ExchangeFailed>| {
        let plain = Plain {
            authorization_id: acts_as,
            name,
            password,
        };
        let exchange = Exchange::new(Mechanism::Plain);
        let found = step(exchange, Some(&plain.message())).map(|step| match step {
            Step::Password { name, password } => format!("{name} {password}"),
            Step::Challenge(..) | Step::Verified { .. } => panic!("{step:?}"),
        });
        assert_eq!(found, expected.map(str::to_owned));
    };
    check(None, "ada", "x", Ok("ada x"));
    check(Some("ada"), "ada", "x", Ok("ada x"));
    check(None, "I\u{AD}X", "y", Ok("IX y"));
    let acts = failed(Some("ada"), ExchangeError::ActsAsAnother);
    check(Some("bob"), "ada", "x", Err(acts));
    let prohibited = ExchangeError::Name(PrepareError::Prohibited);
    check(None, "a\u{7}", "x", Err(failed(Some("a\u{7}"), prohibited)));
    let exchange = Exchange::new(Mechanism::Plain);
    let error = PlainError::Parts { nul_count: 0 };
    let found = step(exchange, Some(b"ada")).unwrap_err();
    assert_eq!(found, failed(None, error.into()));
}

#[test]
fn who_says_nothing_at_first_is_asked() {
    for mechanism in Mechanism::ALL {
        let asked = step(Exchange::new(mechanism), None).unwrap();
        let Step::Challenge(challenge, next) = asked else {
            panic!("{asked:?}")
        };
        assert!(challenge.is_empty());
        let message: &[u8] = match mechanism {
            Mechanism::Plain => b"\0ada\0pencil",
            Mechanism::ScramSha256 => b"n,,n=ada,r=client",
        };
        let answered = step(next, Some(message)).unwrap();
        assert!(!matches!(answered, Step::Verified { .. }), "{answered:?}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let exchange = Exchange::new(Mechanism::ScramSha256);
    let asked = step(exchange, Some(b"n,,n=ada,r=client")).unwrap();
    let Step::Challenge(_, next) = asked else {
        panic!("{asked:?}")
    };
    assert_eq!(
        format!("{next:?}"),
        "Exchange(\"SCRAM-SHA-256, last message\")"
    );
}

proptest! {
    #[test]
    fn nobody_gets_in_by_chance(messages in vec(option::of(vec(any::<u8>(), 0..60)), 1..4)) {
        for mechanism in Mechanism::ALL {
            let mut exchange = Exchange::new(mechanism);
            for message in &messages {
                match step(exchange, message.as_deref()) {
                    Ok(Step::Challenge(_, next)) => exchange = next,
                    Ok(Step::Password { .. }) | Err(_) => break,
                    Ok(Step::Verified { .. }) => panic!("{messages:?}"),
                }
            }
        }
    }
}
