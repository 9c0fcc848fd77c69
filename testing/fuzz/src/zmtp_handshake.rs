//! Any peer, cut anywhere, to a connection of ZMTP: of every mechanism, behind and within its handshake.

use crate::input::{Input, pieces};
use bytes::BytesMut;
use zmtp::curve::{ClientRandom, SecretKey, ServerRandom};
use zmtp::{
    Authentication, Connection, CurveClient, CurveServer, Frame, Mechanism, PlainLogin, Settings,
    SocketType, StatusCode, Step, Verdict, Version,
};

/// What a connection did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    events: Vec<String>,
    error: Option<String>,
}

/// Lets a peer speak with a connection, whole and cut into pieces: both tell the same; what is written is in proportion to
/// what came; a connection that has ended stays so; and frames can be sent exactly while it is open.
///
/// Bytes: 1, the mechanism and the side; 1, the type of socket; 1, whose bit 0 has every verdict refuse, and bits 1 and 2
/// are the newest version; 1, the seed of the cuts; what the peer says, from its greeting on. The keys and random octets of
/// CURVE are those of `crates/zmtp/tests/golden`.
///
/// # Panics
/// When one of these promises is broken.
pub fn zmtp_handshake(data: &[u8]) {
    let mut input = Input::new(data);
    let options = [input.u8(), input.u8(), input.u8()];
    let seed = input.u8();
    let said = input.rest();
    let whole = listen(options, &[said]);
    let cut = listen(options, &pieces(seed, said));
    assert_eq!(whole, cut, "the cuts make a difference");
}

/// The octets of the golden values.
fn octets<const N: usize>(first: usize) -> [u8; N] {
    std::array::from_fn(|at| u8::try_from((first + 7 * at) % 256).unwrap_or_default())
}

fn mechanism(option: u8) -> Mechanism {
    let secret = |first| SecretKey::new(octets(first));
    match option % 6 {
        0 => Mechanism::Null(Authentication::NotAsked),
        1 => Mechanism::Null(Authentication::Asked),
        2 => {
            let login = PlainLogin::new("admin", "secret").expect("both are short");
            Mechanism::PlainClient(login)
        }
        3 => Mechanism::PlainServer,
        4 => {
            let mut random = [0; 48];
            random[..32].copy_from_slice(&octets::<32>(3));
            random[32..].copy_from_slice(&octets::<16>(4));
            Mechanism::CurveClient(Box::new(CurveClient {
                server_key: secret(2).public_key(),
                secret_key: secret(1),
                random: ClientRandom::new(&random),
            }))
        }
        _ => {
            let mut random = [0; 96];
            random[..32].copy_from_slice(&octets::<32>(5));
            random[32..64].copy_from_slice(&octets::<32>(6));
            random[64..80].copy_from_slice(&octets::<16>(8));
            random[80..].copy_from_slice(&octets::<16>(9));
            Mechanism::CurveServer(Box::new(CurveServer {
                secret_key: secret(2),
                random: ServerRandom::new(&random),
                authentication: Authentication::Asked,
            }))
        }
    }
}

fn listen([of_mechanism, of_socket, others]: [u8; 3], pieces: &[&[u8]]) -> Outcome {
    let types = SocketType::ALL;
    let settings = Settings {
        mechanism: mechanism(of_mechanism),
        version_max: match others >> 1 & 3 {
            0 => Version::V3_1,
            1 => Version::V3_0,
            2 => Version::V2_0,
            _ => Version::V1_0,
        },
        ..Settings::new(types[usize::from(of_socket) % types.len()])
    };
    let verdict = if others & 1 == 0 {
        Verdict::SUCCESS
    } else {
        Verdict::Failure(StatusCode::AuthenticationFailure)
    };
    let mut out = BytesMut::new();
    let mut connection = Connection::new(settings, 0, &mut out);
    let mut held = Vec::new();
    let mut outcome = Outcome::default();
    let mut came = 0;
    // Some settings cannot go well, whatever comes.
    let nothing: &[u8] = &[];
    for piece in [nothing].iter().chain(pieces) {
        held.extend_from_slice(piece);
        came += piece.len();
        connection.handle_received(1);
        let taken = hear(&mut connection, &mut held, &mut out, &verdict, &mut outcome);
        held.drain(..taken);
        // A PONG is shorter than its PING; a box of it is 33 longer.
        assert!(out.len() <= 1_000 + 10 * came);
        let sent = connection.put_frame(&mut BytesMut::new(), Frame::last(b"x"));
        assert_eq!(sent.is_ok(), connection.is_open());
        if let Some(error) = &outcome.error {
            let again = connection.handle_input(&mut [], &mut out);
            assert_eq!(again.err().map(|it| it.to_string()).as_ref(), Some(error));
            break;
        }
    }
    outcome
}

/// Takes events up to where more is wanted; says how many bytes they took.
fn hear(
    connection: &mut Connection,
    held: &mut [u8],
    out: &mut BytesMut,
    verdict: &Verdict,
    outcome: &mut Outcome,
) -> usize {
    let mut at = 0;
    loop {
        match connection.handle_input(&mut held[at..], out) {
            Ok(Step::Event(event, taken)) => {
                outcome.events.push(format!("{event:?}"));
                at += taken;
            }
            Ok(Step::Incomplete { missing_bytes }) => {
                assert!(missing_bytes > 0);
                return at;
            }
            Ok(Step::AwaitVerdict) => {
                if let Err(error) = connection.handle_verdict(verdict, out) {
                    outcome.error = Some(error.to_string());
                    return at;
                }
            }
            Err(error) => {
                outcome.error = Some(error.to_string());
                return at;
            }
        }
    }
}
