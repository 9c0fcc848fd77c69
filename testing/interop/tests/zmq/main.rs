//! The sockets of `barid-zmq` against those of libzmq: who binds and who connects, over each transport, with each
//! mechanism. As pyzmq has them, here; [`libzmq`] has those types and transports that pyzmq has not.

mod dialogue;
mod libzmq;
mod patterns;
mod stream;

use anyhow::Result;
use barid_zmq::{Dealer, Pair, Rep, Req, Router, Sub, XPub, XSub};
use dialogue::{Maker, Security, answer, ask, expect, message, send, talk};
use patterns::{dealer, publish, pull, push, sub};

const TRANSPORTS: [&str; 2] = ["tcp://127.0.0.1:*", "ipc://*"];

#[test]
fn a_push_sends_to_a_pull() -> Result<()> {
    push(Maker::Pyzmq, &TRANSPORTS, Security::Null)
}

#[test]
fn a_pull_receives_from_a_push() -> Result<()> {
    pull(Maker::Pyzmq, &TRANSPORTS, Security::Null)
}

#[test]
fn a_req_asks_a_rep() -> Result<()> {
    talk(
        Maker::Pyzmq,
        &TRANSPORTS,
        "rep",
        Security::Null,
        |socket: &Req| ask(socket, &[]),
    )
}

#[test]
fn a_rep_answers_a_req() -> Result<()> {
    talk(
        Maker::Pyzmq,
        &TRANSPORTS,
        "req",
        Security::Null,
        |socket: &Rep| answer(socket, 0),
    )
}

#[test]
fn a_dealer_asks_a_rep() -> Result<()> {
    talk(
        Maker::Pyzmq,
        &TRANSPORTS,
        "rep",
        Security::Null,
        |socket: &Dealer| ask(socket, &[""]),
    )
}

#[test]
fn a_rep_answers_a_dealer() -> Result<()> {
    talk(
        Maker::Pyzmq,
        &TRANSPORTS,
        "dealer",
        Security::Null,
        |socket: &Rep| answer(socket, 0),
    )
}

#[test]
fn a_req_asks_a_router() -> Result<()> {
    talk(
        Maker::Pyzmq,
        &TRANSPORTS,
        "router",
        Security::Null,
        |socket: &Req| ask(socket, &[]),
    )
}

#[test]
fn a_router_answers_a_req() -> Result<()> {
    talk(
        Maker::Pyzmq,
        &TRANSPORTS,
        "req",
        Security::Null,
        |socket: &Router| answer(socket, 2),
    )
}

#[test]
fn a_dealer_asks_a_router() -> Result<()> {
    dealer(Maker::Pyzmq, &TRANSPORTS, Security::Null)
}

#[test]
fn a_router_answers_a_dealer_by_its_name() -> Result<()> {
    talk(
        Maker::Pyzmq,
        &TRANSPORTS,
        "dealer",
        Security::Null,
        |router: &Router| {
            for index in 0..20 {
                let index = index.to_string();
                expect(router, message(&["anna", "", "q", &index]))?;
                send(router, message(&["anna", "", "r", &index]))?;
            }
            Ok(())
        },
    )
}

#[test]
fn a_sub_subscribes_to_an_xpub() -> Result<()> {
    sub(Maker::Pyzmq, &TRANSPORTS, Security::Null)
}

#[test]
fn a_sub_receives_from_a_pub() -> Result<()> {
    talk(
        Maker::Pyzmq,
        &TRANSPORTS,
        "pub",
        Security::Null,
        |sub: &Sub| {
            sub.subscribe("a");
            expect(sub, message(&["a", "wanted"]))
        },
    )
}

#[test]
fn a_pub_sends_to_a_sub() -> Result<()> {
    publish(Maker::Pyzmq, &TRANSPORTS, Security::Null)
}

#[test]
fn an_xpub_hears_an_xsub() -> Result<()> {
    talk(
        Maker::Pyzmq,
        &TRANSPORTS,
        "xsub",
        Security::Null,
        |publisher: &XPub| {
            expect(publisher, "\x01a")?;
            send(publisher, message(&["b", "not wanted"]))?;
            send(publisher, message(&["a", "wanted"]))?;
            expect(publisher, "upstream")?;
            expect(publisher, "\x00a")
        },
    )
}

#[test]
fn an_xsub_subscribes_to_an_xpub() -> Result<()> {
    talk(
        Maker::Pyzmq,
        &TRANSPORTS,
        "xpub",
        Security::Null,
        |sub: &XSub| {
            send(sub, "\x01a")?;
            expect(sub, message(&["a", "wanted"]))?;
            send(sub, "\x00a")
        },
    )
}

#[test]
fn a_pair_speaks_with_a_pair() -> Result<()> {
    talk(
        Maker::Pyzmq,
        &TRANSPORTS,
        "pair",
        Security::Null,
        |pair: &Pair| {
            expect(pair, "hi")?;
            send(pair, message(&["ho", "ho"]))
        },
    )
}

#[test]
fn names_and_passwords_let_peers_in() -> Result<()> {
    push(Maker::Pyzmq, &TRANSPORTS, Security::Plain)?;
    pull(Maker::Pyzmq, &TRANSPORTS, Security::Plain)?;
    dealer(Maker::Pyzmq, &TRANSPORTS, Security::Plain)
}

#[test]
fn keys_let_peers_in_and_encrypt_everything() -> Result<()> {
    push(Maker::Pyzmq, &TRANSPORTS, Security::Curve)?;
    pull(Maker::Pyzmq, &TRANSPORTS, Security::Curve)?;
    dealer(Maker::Pyzmq, &TRANSPORTS, Security::Curve)?;
    sub(Maker::Pyzmq, &TRANSPORTS, Security::Curve)?;
    publish(Maker::Pyzmq, &TRANSPORTS, Security::Curve)
}
