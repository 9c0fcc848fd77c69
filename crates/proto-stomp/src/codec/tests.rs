use super::*;

const LIMITS: Limits = Limits {
    head_bytes_max: 100,
    header_count_max: 4,
    header_bytes_max: 40,
    body_bytes_max: 200,
    subscriptions_max: 1,
    queue_names_max: 1,
    transactions_max: 1,
    transaction_bytes_max: 1,
    connect_timeout: std::time::Duration::ZERO,
    heart_beat_send_min: std::time::Duration::ZERO,
    heart_beat_receive: std::time::Duration::ZERO,
};

/// Everything that the codec makes of some input fed in pieces of this size, as text.
fn read(version: Option<Version>, input: &[u8], piece: usize) -> String {
    let mut codec = Codec::new(LIMITS);
    if let Some(version) = version {
        codec.set_version(version);
    }
    let mut text = String::new();
    let (mut at, mut until) = (0, 0);
    while until < input.len() {
        until = input.len().min(until + piece);
        loop {
            match codec.decode(&input[at..until]) {
                Ok(decoded) => {
                    at += decoded.consumed;
                    let Some(frame) = decoded.frame else { break };
                    text.push_str(frame.command.name());
                    for (name, value) in frame.headers() {
                        text.push_str(&format!(
                            " {}={}",
                            name.escape_ascii(),
                            value.escape_ascii()
                        ));
                    }
                    text.push_str(&format!(" [{}]\n", frame.body.escape_ascii()));
                }
                Err(error) => {
                    text.push_str(&error.to_string());
                    return text;
                }
            }
        }
    }
    text.push_str(&format!("{} left", input.len() - at));
    text
}

fn check(version: Option<Version>, input: impl AsRef<[u8]>, expected: &str) {
    let input = input.as_ref();
    for piece in [input.len().max(1), 1, 2, 3, 7] {
        let found = read(version, input, piece);
        assert_eq!(
            found,
            expected,
            "{} in pieces of {piece}",
            input.escape_ascii()
        );
    }
}

const V10: Option<Version> = Some(Version::V10);
const V11: Option<Version> = Some(Version::V11);
const V12: Option<Version> = Some(Version::V12);

#[test]
fn reads_frames() {
    check(V12, "SEND\na:1\n\nbody\0", "SEND a=1 [body]\n0 left");
    check(
        V12,
        "\n\r\n\nACK\nid:1\n\n\0\n\nACK\nid:2\n\n\0\r\n",
        "ACK id=1 []\nACK id=2 []\n0 left",
    );
    check(
        V12,
        "SEND\ncontent-length:3\n\na\0b\0",
        "SEND content-length=3 [a\\x00b]\n0 left",
    );
    check(
        V12,
        "SEND\na:1:2\nb:\na:2\n\n\0",
        "SEND a=1:2 b= a=2 []\n0 left",
    );
    check(V12, "SEND\na:1\n", "9 left");
    check(V12, "SEND\na:1\n\nbod", "13 left");
    check(V12, "\r", "1 left");
    check(
        None,
        "CONNECT\r\nlogin:a\\tb\r\n\r\n\0",
        "CONNECT login=a\\\\tb []\n0 left",
    );
}

#[test]
fn a_nul_may_stand_for_the_empty_line() {
    check(
        V12,
        "DISCONNECT\nreceipt:77\n\0\nACK\n\0",
        "DISCONNECT receipt=77 []\nACK []\n0 left",
    );
}

#[test]
fn a_carriage_return_is_what_the_version_says() {
    check(
        V12,
        "SEND\r\na:1\n\r\nx\r\n\0",
        "SEND a=1 [x\\r\\n]\n0 left",
    );
    check(V11, "SEND\na:1\r\n\nx\0", "SEND a=1\\r [x]\n0 left");
    check(V11, "SEND\r\na:1\r\n\r\nx\0", "SEND a=1 [x]\n0 left");
    check(V10, "SEND\r\na:1\r\n\nx\0", "SEND a=1 [x]\n0 left");
    check(
        V12,
        "SEND\na:1\r2\n\n\0",
        "the header line 'a:1\r2' holds a carriage return that is not escaped as \\r",
    );
    check(
        V11,
        "SEND\na:1\n\r\n\0",
        "the header line '\r' has no colon",
    );
}

#[test]
fn refuses_what_is_no_stomp() {
    check(
        V12,
        "GET / HTTP/1.1\r\n",
        "'GET / HTTP/1.1' is no command of a STOMP client",
    );
    check(
        V12,
        "MESSAGE\n\n\0",
        "'MESSAGE' is no command of a STOMP client",
    );
    check(V12, "send\n\n\0", "'send' is no command of a STOMP client");
    check(
        V12,
        [b'\x16'; 40],
        "'\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\
         \u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}\u{16}' \
         is no command of a STOMP client",
    );
    check(V12, "SEND\nabc\n\n\0", "the header line 'abc' has no colon");
    check(
        V12,
        "SEND\n:c\n\n\0",
        "the header line ':c' has no name before its colon",
    );
    check(
        V12,
        b"SEND\na:\xff\n\n\0",
        "the head of the frame is not UTF-8",
    );
    check(V10, b"SEND\na:\xff\n\n\0", "SEND a=\\xff []\n0 left");
    check(
        V12,
        "SEND\na:\\t\n\n\0",
        "the escape '\\t' is not defined in STOMP 1.2",
    );
    check(
        V11,
        "SEND\na:\\r\n\n\0",
        "the escape '\\r' is not defined in STOMP 1.1",
    );
    check(
        V11,
        "SEND\na\\:b\n\n\0",
        "the escape '\\:' is not defined in STOMP 1.1",
    );
    check(V10, "SEND\na:\\t\n\n\0", "SEND a=\\\\t []\n0 left");
}

#[test]
fn refuses_lengths_over_the_limits() {
    let long = "x".repeat(300);
    check(
        V12,
        format!("SEND\na:{long}"),
        "a header line is longer than 40 bytes",
    );
    check(
        V12,
        format!("SEND\na:{}\n\n\0", &long[..38]),
        &format!("SEND a={} []\n0 left", &long[..38]),
    );
    check(
        V12,
        format!("SEND\na:{}\n\n\0", &long[..39]),
        "a header line is longer than 40 bytes",
    );
    let lines = "abcdefgh:12345678901234567890\n".repeat(4);
    check(
        V12,
        format!("SEND\n{lines}\n\0"),
        "the head of the frame is longer than 100 bytes",
    );
    check(
        V12,
        "SEND\na:\na:\na:\na:\na:\n\n\0",
        "the frame has more than 4 headers",
    );
    check(
        V12,
        "SEND\ncontent-length:201\n\n",
        "the content-length 201 of the SEND frame is over the limit of 200 bytes",
    );
    check(
        V12,
        "ACK\ncontent-length:101\n\n",
        "the content-length 101 of the ACK frame is over the limit of 100 bytes",
    );
    check(
        V12,
        "SEND\ncontent-length:99999999999999999999\n\n",
        "the content-length 99999999999999999999 of the SEND frame is over the limit of 200 bytes",
    );
    check(
        V12,
        "SEND\ncontent-length:-1\n\n",
        "the content-length '-1' is not a number",
    );
    check(
        V12,
        "SEND\ncontent-length:\n\n",
        "the content-length '' is not a number",
    );
    check(
        V12,
        "SEND\ncontent-length: 1\n\na\0",
        "the content-length ' 1' is not a number",
    );
    check(
        V10,
        "SEND\ncontent-length: 1\n\na\0",
        "SEND content-length= 1 [a]\n0 left",
    );
    check(
        V12,
        "SEND\ncontent-length:1\n\nab\0",
        "there is no NUL behind the 1 bytes that content-length announces",
    );
    check(
        V12,
        format!("SEND\n\n{long}\0"),
        "the body of the SEND frame has no NUL within the limit of 200 bytes",
    );
    check(
        V12,
        format!("SEND\n\n{}\0", &long[..200]),
        &format!("SEND [{}]\n0 left", &long[..200]),
    );
}

#[test]
fn tells_how_many_bytes_are_missing() {
    let mut codec = Codec::new(LIMITS);
    codec.set_version(Version::V12);
    let input = b"\nSEND\ncontent-length:10\n\nabc";
    let decoded = codec.decode(input).unwrap();
    assert!(decoded.frame.is_none());
    assert_eq!(decoded.consumed, 1);
    assert_eq!(codec.missing_bytes(), 8);
}

#[test]
fn the_same_input_gives_the_same_frame_again() {
    let mut codec = Codec::new(LIMITS);
    codec.set_version(Version::V12);
    for _ in 0..2 {
        let decoded = codec.decode(b"\nSEND\na:1\n\nbody\0ACK").unwrap();
        assert_eq!(decoded.consumed, 16);
        assert_eq!(decoded.frame.unwrap().body, b"body");
    }
}

#[test]
fn the_receipt_of_a_frame_in_error_is_found() {
    let check = |input: &str, receipt: Option<&str>| {
        let mut codec = Codec::new(LIMITS);
        codec.set_version(Version::V12);
        assert!(codec.decode(input.as_bytes()).is_err());
        let found = codec.receipt_in_error(input.as_bytes());
        assert_eq!(found, receipt.map(str::as_bytes), "{input}");
    };
    check("\n\nSEND\nreceipt:r1\nbad\n\n\0", Some("r1"));
    check("SEND\nreceipt:r1\ncontent-length:999\n\n", Some("r1"));
    check("SEND\nreceipt:\\t\n\n\0", None);
    check("SEND\nbad\nreceipt:r1\n\n\0", None);
}
