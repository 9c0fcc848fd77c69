//! However the input is cut, and whatever it is.

use crate::curve::known_sides;
use crate::golden::capture;
use crate::pair::{End, command, curve, greeting, mechanisms, plain, settings, with};
use proptest::prelude::*;
use zmtp::{Authentication, Error, Frame, Mechanism, Settings, SocketType};

/// What a connection has told, said, and how it ended.
type Outcome = (Vec<String>, Vec<u8>, Option<Error>);

fn outcome(mut end: End, pieces: &[&[u8]]) -> Outcome {
    for piece in pieces {
        end.feed(piece);
    }
    (end.told, end.out.to_vec(), end.error)
}

fn cut<'a>(input: &'a [u8], lens: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = input;
    for len in lens.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, left) = rest.split_at((*len).min(rest.len()));
        pieces.push(piece);
        rest = left;
    }
    pieces
}

/// A connection and what a peer says to it.
fn conversation(number: usize) -> (End, Vec<u8>) {
    let null = |socket_type, name| (End::new(settings(socket_type)), capture(name));
    match number {
        0 => null(SocketType::Router, "null_dealer_router_client"),
        1 => null(SocketType::XPub, "null_sub_xpub_client"),
        2 => null(SocketType::Pull, "null_heartbeats_client"),
        3 => null(SocketType::XPub, "v3_0_to_pub_client"),
        4 => null(SocketType::Router, "v2_0_to_router_client"),
        5 => null(SocketType::Router, "v1_0_to_router_client"),
        6 => null(SocketType::Pull, "v1_0_long_to_pull_client"),
        7 => {
            let rep = with(SocketType::Rep, Mechanism::PlainServer);
            (End::new(rep), capture("plain_req_rep_client"))
        }
        8 => {
            let asks = with(SocketType::Pull, Mechanism::Null(Authentication::Asked));
            (End::new(asks), capture("null_heartbeats_client"))
        }
        _ => {
            let (client, server) = known_sides();
            (End::new(server), said_by_client(client))
        }
    }
}

const CONVERSATIONS: usize = 10;

/// All that a client of CURVE says to the server of [`known_sides`].
fn said_by_client(client: Settings) -> Vec<u8> {
    let (_, server) = known_sides();
    let (mut a, mut b) = (End::new(client), End::new(server));
    let mut said = Vec::new();
    while !a.out.is_empty() || !b.out.is_empty() {
        let sent = a.out.split();
        said.extend_from_slice(&sent);
        b.feed(&sent);
        a.feed(&b.out.split());
    }
    for frame in [
        Frame::more(b"one"),
        Frame::last(&[b'x'; 300]),
        Frame::last(b""),
    ] {
        a.connection.put_frame(&mut a.out, frame).unwrap();
    }
    said.extend_from_slice(&a.out);
    said
}

#[test]
fn byte_by_byte_is_as_good_as_whole() {
    for number in 0..CONVERSATIONS {
        let (end, input) = conversation(number);
        let whole = outcome(end, &[&input]);
        assert_eq!(whole.2, None, "{number}");
        assert!(whole.0.iter().any(|told| told.starts_with("ready")));
        let (end, input) = conversation(number);
        let single = outcome(end, &cut(&input, &[1]));
        assert_eq!(whole, single, "{number}");
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        number in 0..CONVERSATIONS,
        lens in prop::collection::vec(1_usize..80, 1..12),
    ) {
        let (end, input) = conversation(number);
        let whole = outcome(end, &[&input]);
        let (end, _) = conversation(number);
        prop_assert_eq!(whole, outcome(end, &cut(&input, &lens)));
    }

    #[test]
    fn any_split_of_damaged_input_gives_the_same(
        number in 0..CONVERSATIONS,
        lens in prop::collection::vec(1_usize..80, 1..12),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let (end, mut input) = conversation(number);
        for (at, octet) in damages {
            let at = at.index(input.len());
            input[at] = octet;
        }
        let (told, _, error) = outcome(end, &[&input]);
        let (end, _) = conversation(number);
        let (told_in_pieces, _, error_in_pieces) = outcome(end, &cut(&input, &lens));
        prop_assert_eq!((told, error), (told_in_pieces, error_in_pieces));
    }

    #[test]
    fn any_bytes_are_survived(
        mechanism in 0_usize..6,
        behind_greeting: bool,
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let null = Mechanism::Null(Authentication::NotAsked);
        let mechanism = match mechanism {
            0 => null,
            1 => plain().0,
            2 => plain().1,
            3 => curve().0,
            4 => curve().1,
            _ => Mechanism::Null(Authentication::Asked),
        };
        let name = mechanism.name().to_string();
        let mut end = End::new(with(SocketType::XPub, mechanism));
        if behind_greeting {
            end.feed(&greeting(&name));
        }
        end.feed(&bytes);
        end.feed(&bytes);
        // What is written is no more than what was asked for.
        prop_assert!(end.out.len() < 1_000 + 20 * bytes.len());
    }

    #[test]
    fn any_commands_are_survived(
        socket_type in 0_usize..19,
        names in prop::collection::vec(0_usize..9, 1..6),
        data in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let ours = SocketType::ALL[socket_type];
        let theirs = SocketType::ALL.into_iter().find(|it| ours.accepts(*it)).unwrap();
        let (mut a, _) = crate::pair::opened(settings(ours), settings(theirs));
        for name in names {
            let name = ["READY", "ERROR", "SUBSCRIBE", "CANCEL", "PING", "PONG", "JOIN", "LEAVE", "NEW"][name];
            a.feed(&command(name, &data));
        }
    }
}

#[test]
fn each_mechanism_has_both_sides_of_it() {
    for (client, server) in mechanisms() {
        assert_eq!(client.name(), server.name());
    }
}
