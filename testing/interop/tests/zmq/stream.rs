//! STREAM against libzmq's, as pyzmq has it.

use crate::dialogue::{LONG, Maker, SIZES, Security, start};
use anyhow::{Result, ensure};
use barid_zmq::{Context, Frame, Message, Stream};

/// The next message of a peer, without its name.
fn recv(socket: &Stream, name: &[u8]) -> Result<Frame> {
    let found = socket.blocking().recv_timeout(LONG)?;
    ensure!(found.len() == 2 && found.first() == name, "{found:?}");
    Ok(found.into_frames().remove(1))
}

fn read(socket: &Stream, name: &[u8], count: usize) -> Result<()> {
    let mut left = count;
    while left > 0 {
        let piece = recv(socket, name)?;
        ensure!(!piece.is_empty() && piece.len() <= left);
        ensure!(piece.iter().all(|byte| *byte == b'x'));
        left -= piece.len();
    }
    Ok(())
}

fn send(socket: &Stream, name: &Frame, size: usize) -> Result<()> {
    let message = Message::from(vec![name.clone(), Frame::from(vec![b'x'; size])]);
    Ok(socket.blocking().send_timeout(message, LONG)?)
}

#[test]
fn it_sends_back_what_one_that_connects_sends() -> Result<()> {
    let socket = Stream::new(&Context::new());
    let endpoint = socket.bind("tcp://127.0.0.1:*")?.to_string();
    let script = start(Maker::Pyzmq, "stream", "connect", &endpoint, Security::Null)?;
    let came = socket.blocking().recv_timeout(LONG)?;
    let name = came.frames()[0].clone();
    ensure!(came.len() == 2 && came.frames()[1].is_empty());
    for size in SIZES.into_iter().skip(1) {
        read(&socket, &name, size)?;
        send(&socket, &name, size)?;
    }
    ensure!(recv(&socket, &name)?.is_empty(), "it has not gone");
    script.end()
}

#[test]
fn it_connects_to_one_that_sends_back_what_it_sends() -> Result<()> {
    let mut script = start(
        Maker::Pyzmq,
        "stream",
        "bind",
        "tcp://127.0.0.1:*",
        Security::Null,
    )?;
    let socket = Stream::new(&Context::new());
    let name = Frame::from(socket.connect_peer(script.line()?)?);
    ensure!(recv(&socket, &name)?.is_empty(), "it has not come");
    for size in SIZES.into_iter().skip(1) {
        send(&socket, &name, size)?;
        read(&socket, &name, size)?;
    }
    send(&socket, &name, 0)?;
    script.end()
}
