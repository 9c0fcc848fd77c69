//! The memory of a socket whose user does nothing. A process of its own, since it measures that.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use barid_zmq::{Context, Pull, ReceiveError};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Never waited out when all is well.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn peers_that_come_and_go_do_not_fill_the_memory_of_an_idle_socket() {
    let pull = Pull::new(&Context::new());
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let address = endpoint.trim_start_matches("tcp://");
    let before = resident_kib();
    for _ in 0..3000 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let mut greeting = [0; 64];
        greeting[0] = 0xFF;
        greeting[9] = 0x7F;
        greeting[10] = 3;
        greeting[12..16].copy_from_slice(b"NULL");
        stream.write_all(&greeting).unwrap();
        stream
            .write_all(b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH")
            .unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        // It may be reset while its last bytes are on their way.
        let _is_read = stream.read_to_end(&mut rest);
    }
    let grown = resident_kib() - before;
    // Each would keep more than 16 KiB.
    assert!(grown < 3000 * 10, "{grown} KiB");
    assert_eq!(pull.try_recv(), Err(ReceiveError::Empty));
}

fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
