//! What options take and give back.

use super::*;

fn options(socket_type: i32) -> Options {
    let settings = crate::context::Context::new().map(|context| context.settings());
    Options::new(socket_type, &settings.unwrap_or_else(|_| unreachable!()))
}

#[test]
fn a_number_has_limits_and_a_default() {
    let rows = [
        (n::LINGER, -1, -1, -2),
        (n::SNDHWM, 1000, 0, -1),
        (n::RCVHWM, 1000, 5, -1),
        (n::RECONNECT_IVL, 100, -1, -2),
        (n::RCVTIMEO, -1, 0, -2),
        (n::IMMEDIATE, 0, 1, 2),
        (n::TCP_KEEPALIVE, -1, 1, 2),
        (n::HANDSHAKE_IVL, 30_000, 0, -1),
        // Without an effect.
        (n::RATE, 100, 100, 40),
        (n::TOS, 0, 0, 1),
    ];
    for (option, default, taken, refused) in rows {
        let mut options = options(kind::DEALER);
        assert_eq!(options.get(option), Ok(Value::Int(default)), "{option}");
        assert_eq!(options.set(option, &i32::to_ne_bytes(taken)), Ok(()));
        assert_eq!(options.get(option), Ok(Value::Int(taken)), "{option}");
        let refusal = options.set(option, &i32::to_ne_bytes(refused));
        assert_eq!(refusal, Err(Errno::EINVAL), "{option}");
        assert_eq!(options.set(option, &[0; 8]), Err(Errno::EINVAL));
    }
}

#[test]
fn a_type_has_only_its_own_options() {
    for (option, owner) in [
        (n::ROUTER_MANDATORY, kind::ROUTER),
        (n::REQ_RELAXED, kind::REQ),
        (n::XPUB_VERBOSE, kind::XPUB),
    ] {
        let one = i32::to_ne_bytes(1);
        assert_eq!(options(owner).set(option, &one), Ok(()), "{option}");
        assert_eq!(options(kind::PULL).set(option, &one), Err(Errno::EINVAL));
    }
}

#[test]
fn keys_and_logins_choose_the_mechanism() {
    let mut options = options(kind::PUSH);
    let mechanism = |options: &Options| options.get(n::MECHANISM);
    assert_eq!(mechanism(&options), Ok(Value::Int(0)));
    assert_eq!(options.set(n::PLAIN_USERNAME, b"anna"), Ok(()));
    assert_eq!(mechanism(&options), Ok(Value::Int(1)));
    assert_eq!(
        options.get(n::PLAIN_USERNAME),
        Ok(Value::Text(b"anna\0".to_vec()))
    );
    assert_eq!(options.set(n::CURVE_SERVERKEY, &[7; 32]), Ok(()));
    assert_eq!(mechanism(&options), Ok(Value::Int(2)));
    assert_eq!(options.get(n::CURVE_SERVERKEY), Ok(Value::Key([7; 32])));
    assert_eq!(
        options.set(n::CURVE_SERVERKEY, &[7; 31]),
        Err(Errno::EINVAL)
    );
}

#[test]
fn heartbeats_need_no_answer_if_none_is_waited_for() {
    let mut options = options(kind::DEALER);
    let timeout = |options: &Options| options.heartbeat().map(|heartbeat| heartbeat.timeout);
    assert_eq!(timeout(&options), None);
    for (option, value, expected) in [
        (n::HEARTBEAT_IVL, 70, Duration::from_millis(70)),
        (n::HEARTBEAT_TIMEOUT, 20, Duration::from_millis(20)),
        (n::HEARTBEAT_TIMEOUT, 0, NEVER),
    ] {
        assert_eq!(options.set(option, &i32::to_ne_bytes(value)), Ok(()));
        assert_eq!(timeout(&options), Some(expected));
    }
}
