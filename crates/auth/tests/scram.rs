//! Client and server face to face, and each against messages that are none.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use auth::{
    AwaitFinal, ClientFirst, Decoys, Nonce, PrepareError, ScramClient, ScramCredentials,
    ScramError, Verified,
};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, proptest};
use proptest::sample::Index;
use std::sync::LazyLock;

/// RFC 7677 §3
const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
    s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

/// Of the password "pencil", with the salt of RFC 7677.
static CREDENTIALS: LazyLock<ScramCredentials> = LazyLock::new(|| {
    let text = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
        WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    text.parse().unwrap()
});

fn decoys() -> Decoys {
    Decoys::new([7; 32])
}

fn nonce(text: &str) -> Nonce {
    Nonce::from_text(text).unwrap()
}

/// The server's answer to a first message, for a user whose password is "pencil".
fn challenged(client_first: &str) -> (String, AwaitFinal) {
    let first = ClientFirst::read(client_first.as_bytes()).unwrap();
    first.challenge(Some(&CREDENTIALS), &decoys(), &nonce(SERVER_NONCE))
}

fn verify(client_final: &str) -> Result<Verified, ScramError> {
    challenged(CLIENT_FIRST).1.verify(client_final.as_bytes())
}

#[test]
fn a_server_takes_the_example_of_the_rfc() {
    let first = ClientFirst::read(CLIENT_FIRST.as_bytes()).unwrap();
    assert_eq!(first.name(), "user");
    let (server_first, next) = challenged(CLIENT_FIRST);
    assert_eq!(server_first, SERVER_FIRST);
    let verified = next.verify(CLIENT_FINAL.as_bytes()).unwrap();
    let expected = Verified {
        name: "user".to_owned(),
        authorization_id: None,
        server_final: SERVER_FINAL.to_owned(),
    };
    assert_eq!(verified, expected);
}

#[test]
fn a_client_gives_the_example_of_the_rfc() {
    let client = ScramClient::new("user", "pencil", &nonce(CLIENT_NONCE)).unwrap();
    assert_eq!(client.first_message(), CLIENT_FIRST);
    let (client_final, next) = client.respond(SERVER_FIRST.as_bytes()).unwrap();
    assert_eq!(client_final, CLIENT_FINAL);
    next.verify(SERVER_FINAL.as_bytes()).unwrap();
}

/// Lets a client and a server talk; the last messages of both.
fn talk(
    name: &str,
    password: &str,
    credentials: Option<&ScramCredentials>,
) -> Result<Verified, ScramError> {
    let client = ScramClient::new(name, password, &nonce(CLIENT_NONCE))?;
    let first = ClientFirst::read(client.first_message().as_bytes())?;
    let (server_first, server) = first.challenge(credentials, &decoys(), &nonce(SERVER_NONCE));
    let (client_final, client) = client.respond(server_first.as_bytes())?;
    let verified = server.verify(client_final.as_bytes())?;
    client.verify(verified.server_final.as_bytes())?;
    Ok(verified)
}

#[test]
fn names_and_passwords_are_prepared_on_both_sides() {
    let made = ScramCredentials::from_password("pass, =wörd", b"saltsalt", 4_096).unwrap();
    let verified = talk("us=er, \u{2168}", "pass, =wo\u{308}rd", Some(&made)).unwrap();
    assert_eq!(verified.name, "us=er, IX");
    let client = ScramClient::new("a,=b", "p", &nonce("x")).unwrap();
    assert_eq!(client.first_message(), "n,,n=a=2C=3Db,r=x");
    let refused = ScramClient::new("", "p", &nonce("x")).unwrap_err();
    assert_eq!(refused, ScramError::Name(PrepareError::Empty));
    let refused = ScramClient::new("a", "\n", &nonce("x")).unwrap_err();
    assert_eq!(refused, ScramError::Password(PrepareError::Prohibited));
}

#[test]
fn a_user_that_is_not_there_takes_the_same_way() {
    let read = || ClientFirst::read(CLIENT_FIRST.as_bytes()).unwrap();
    let (server_first, next) = read().challenge(None, &decoys(), &nonce(SERVER_NONCE));
    // It looks like a user, and is the same next time.
    assert_eq!(server_first.len(), SERVER_FIRST.len());
    let (again, _) = read().challenge(None, &decoys(), &nonce(SERVER_NONCE));
    assert_eq!(server_first, again);
    assert_ne!(server_first, SERVER_FIRST);
    let refused = next.verify(CLIENT_FINAL.as_bytes()).unwrap_err();
    assert_eq!(refused, ScramError::Proof);
    assert_eq!(talk("user", "pencil", None), Err(ScramError::Proof));
    assert_eq!(
        talk("user", "pencils", Some(&CREDENTIALS)),
        Err(ScramError::Proof)
    );
    assert_eq!(refused.server_final(), "e=invalid-proof");
}

#[test]
fn channel_binding_is_not_offered() {
    let refused = |message: &str| ClientFirst::read(message.as_bytes()).unwrap_err();
    let error = refused("p=tls-unique,,n=user,r=x");
    assert!(matches!(error, ScramError::ChannelBinding(_)), "{error}");
    assert_eq!(error.server_final(), "e=channel-binding-not-supported");
    // A client that could, and thinks that this server cannot.
    let (_, next) = challenged("y,,n=user,r=x");
    let nonce = format!("x{SERVER_NONCE}");
    // What it repeats must be what it said: "n,,", not "y,,".
    let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let message = format!("c=biws,r={nonce},p={proof}");
    let error = next.clone().verify(message.as_bytes()).unwrap_err();
    assert_eq!(error, ScramError::OtherChannelBinding);
    let message = format!("c=eSws,r={nonce},p={proof}");
    assert_eq!(next.verify(message.as_bytes()), Err(ScramError::Proof));
}

#[test]
fn an_authorization_id_is_told() {
    let first = ClientFirst::read(b"n,a=boss=2C1,n=user,r=x").unwrap();
    let (_, next) = first.challenge(Some(&CREDENTIALS), &decoys(), &nonce("y"));
    // It is a part of what is signed.
    let message = "c=biws,r=xy,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let error = next.verify(message.as_bytes()).unwrap_err();
    assert_eq!(error, ScramError::OtherChannelBinding);
    let client = ScramClient::new("user", "pencil", &nonce(CLIENT_NONCE)).unwrap();
    let client = client.acting_as("boss,1").unwrap();
    assert!(client.first_message().starts_with("n,a=boss=2C1,n=user,"));
    let (server_first, server) = challenged(&client.first_message());
    let (client_final, _) = client.respond(server_first.as_bytes()).unwrap();
    let verified = server.verify(client_final.as_bytes()).unwrap();
    assert_eq!(verified.name, "user");
    assert_eq!(verified.authorization_id.as_deref(), Some("boss,1"));
}

#[test]
fn extensions_that_need_not_be_understood_are_not() {
    let first = ClientFirst::read(b"n,,n=user,r=x,z=1,y=2").unwrap();
    assert_eq!(first.name(), "user");
    let error = ClientFirst::read(b"n,,m=1,n=user,r=x").unwrap_err();
    assert_eq!(error, ScramError::Extension);
    assert_eq!(error.server_final(), "e=extensions-not-supported");
}

#[test]
fn first_messages_that_are_none_are_refused() {
    let check = |message: &[u8], part: &str, server_final: &str| {
        let error = ClientFirst::read(message).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(part), "{}: {text}", message.escape_ascii());
        assert_eq!(error.server_final(), server_final, "{text}");
    };
    let (encoding, name) = ("e=invalid-encoding", "e=invalid-username-encoding");
    check(b"", "begins with", encoding);
    check(b"N,,n=user,r=x", "not with 'N'", encoding);
    check(b"n", "'n=' must be stands ''", encoding);
    check(b"n,,", "'n=' must be", encoding);
    check(b"n,b=x,n=user,r=x", "'a=' must be stands 'b='", encoding);
    check(b"n,,r=x,n=user", "'n=' must be stands 'r='", encoding);
    check(b"n,,n=user", "'r=' must be stands ''", encoding);
    check(b"n,,n=user,r=", "a nonce is", encoding);
    check(b"n,,n=user,r=a b", "a nonce is", encoding);
    check(b"n,,n=us\xffer,r=x", "UTF-8", encoding);
    check(b"n,,n=us=er,r=x", "in a name", name);
    check(b"n,a==,n=user,r=x", "in a name", name);
    check(b"n,,n=,r=x", "it is empty", name);
    check(b"n,,n=a\x07,r=x", "prohibits", name);
    let long = format!("n,,n={},r=x", "u".repeat(256));
    check(
        long.as_bytes(),
        "256 bytes is over the limit of 255",
        "e=other-error",
    );
    let long = format!("n,,n=user,r={}", "x".repeat(129));
    check(long.as_bytes(), "1 to 128 bytes", encoding);
    let long = format!("n,,n=user,r=x,z={}", "x".repeat(2_048));
    check(
        long.as_bytes(),
        "2064 bytes is over the limit of 2048",
        "e=other-error",
    );
}

#[test]
fn last_messages_that_are_none_are_refused() {
    let check = |from: &str, to: &str, part: &str, server_final: &str| {
        let message = CLIENT_FINAL.replacen(from, to, 1);
        assert_ne!(message, CLIENT_FINAL);
        let error = verify(&message).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(part), "{message}: {text}");
        assert_eq!(error.server_final(), server_final, "{text}");
    };
    let encoding = "e=invalid-encoding";
    check("c=biws,", "", "'c=' must be stands 'r='", encoding);
    check("c=biws", "c=biw", "'c=' is not base64", encoding);
    check(
        "c=biws",
        "c=eSws",
        "channel binding",
        "e=channel-bindings-dont-match",
    );
    check("r=", "q=", "'r=' must be stands 'q='", encoding);
    check("r=rO", "r=RO", "nonce is not that", "e=other-error");
    check("hNlF$k0", "hNlF$k", "nonce is not that", "e=other-error");
    check("p=", "q=", "'p=' must be stands 'q='", encoding);
    check("p=dHzb", "p=!!!!", "'p=' is not base64", encoding);
    check("p=dHzb", "p=", "29 bytes, it has 32", encoding);
    check("p=dHzb", "p=DHzb", "the proof is wrong", "e=invalid-proof");
    // An extension is signed, too.
    check(",p=", ",z=1,p=", "the proof is wrong", "e=invalid-proof");
    assert!(verify("").is_err() && verify(",").is_err() && verify("c=biws").is_err());
    let long = format!("c=biws,r=x,z={},p=x", "x".repeat(2_048));
    assert_eq!(verify(&long), Err(ScramError::TooLong { len: long.len() }));
}

#[test]
fn a_client_does_not_believe_everything() {
    let client = || ScramClient::new("user", "pencil", &nonce(CLIENT_NONCE)).unwrap();
    let check = |from: &str, to: &str, part: &str| {
        let message = SERVER_FIRST.replacen(from, to, 1);
        let error = client()
            .respond(message.as_bytes())
            .map(|_| ())
            .unwrap_err();
        assert!(error.to_string().contains(part), "{message}: {error}");
    };
    check("r=rO", "r=RO", "nonce is not that");
    check(SERVER_NONCE, "", "nonce is not that");
    check("r=", "m=x,r=", "no extensions");
    check("s=W22ZaJ0SNY7soEsUEjb6gQ==", "s=", "salt cannot be empty");
    check("gQ==", "gQ=", "'s=' is not base64");
    check("i=4096", "i=4095", "'4095' are no number from 4096");
    check("i=4096", "i=1000001", "to 1000000");
    check("i=4096", "i=04096", "'04096' are no number");
    check("i=4096", "i=4294967296", "are no number");
    check(",i=4096", "", "'i=' must be");
    let (_, next) = client().respond(SERVER_FIRST.as_bytes()).unwrap();
    let refused = |message: &str| next.clone().verify(message.as_bytes()).unwrap_err();
    assert_eq!(
        refused(&SERVER_FINAL.replace("6r", "7r")),
        ScramError::Signature
    );
    assert_eq!(refused("v=6rri"), ScramError::ProofLength { len: 3 });
    assert_eq!(
        refused("e=invalid-proof").to_string(),
        "the server says 'invalid-proof'"
    );
    assert!(matches!(
        refused("x=1"),
        ScramError::Attribute { expected: 'v', .. }
    ));
}

#[test]
fn secrets_are_not_shown() {
    let client = ScramClient::new("user", "pencil", &nonce(CLIENT_NONCE)).unwrap();
    let (_, server) = challenged(CLIENT_FIRST);
    let shown = format!("{client:?} {server:?} {:?} {:?}", *CREDENTIALS, decoys());
    for secret in ["pencil", "WG5d8", "wfPLw", "[88,", "[193,", "7, 7"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_right_password_passes_and_others_do_not(
        name in "[ -~]{1,40}",
        password in "[ -~]{1,40}",
        other in "\\PC{1,20}",
        salt in vec(any::<u8>(), 8..64),
    ) {
        let made = ScramCredentials::from_password(&password, &salt, 4_096).unwrap();
        let verified = talk(&name, &password, Some(&made)).unwrap();
        assert_eq!(verified.name, name);
        if other != password {
            assert!(talk(&name, &other, Some(&made)).is_err());
        }
    }
}

proptest! {
    #[test]
    fn no_other_bytes_pass(changes in vec((any::<Index>(), any::<u8>()), 1..4)) {
        let mut message = CLIENT_FINAL.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(message.len());
            message[at] = byte;
        }
        if message != CLIENT_FINAL.as_bytes() {
            assert!(challenged(CLIENT_FIRST).1.verify(&message).is_err());
        }
    }

    #[test]
    fn no_other_proof_passes(proof in vec(any::<u8>(), 32)) {
        let (before, _) = CLIENT_FINAL.rsplit_once(',').unwrap();
        let message = format!("{before},p={}", data_encoding::BASE64.encode(&proof));
        if message != CLIENT_FINAL {
            assert_eq!(verify(&message), Err(ScramError::Proof));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        first in vec(any::<u8>(), 0..60),
        words in "[nyparcm=,0-9A-Z]{0,60}",
    ) {
        for message in [&first, words.as_bytes()] {
            if let Ok(first) = ClientFirst::read(message) {
                assert!(!first.name().is_empty());
            }
            assert!(challenged(CLIENT_FIRST).1.verify(message).is_err());
        }
    }
}
