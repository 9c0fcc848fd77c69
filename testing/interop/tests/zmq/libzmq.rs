//! The draft types, and WebSocket, against libzmq as it is built from the source of Debian's package.

use crate::dialogue::{
    LONG, Maker, SIZES, Security, answer, ask, client, expect, message, send, server, start, talk,
};
use crate::patterns::{dealer, publish, pull, push, sub};
use anyhow::{Context as _, Result, ensure};
use barid_zmq::{
    Channel, Client, Context, Dish, Gather, GroupMessage, Pair, Peer, Radio, Rep, Req, Router,
    RoutingId, Scatter, Server, Socket, Sub, XPub, XSub,
};
use std::net::UdpSocket;
use std::time::Duration;

const WS: [&str; 1] = ["ws://127.0.0.1:*/zmq"];
const ALL: [&str; 3] = ["tcp://127.0.0.1:*", "ipc://*", "ws://127.0.0.1:*/zmq"];
const EACH: [Security; 3] = [Security::Null, Security::Plain, Security::Curve];

#[test]
fn all_patterns_go_over_websockets_by_each_mechanism() -> Result<()> {
    for security in EACH {
        push(Maker::Libzmq, &WS, security)?;
        pull(Maker::Libzmq, &WS, security)?;
        dealer(Maker::Libzmq, &WS, security)?;
        sub(Maker::Libzmq, &WS, security)?;
        publish(Maker::Libzmq, &WS, security)?;
    }
    Ok(())
}

fn over_websockets<K: barid_zmq::Kind>(
    role: &str,
    dialogue: impl Fn(&Socket<K>) -> Result<()>,
) -> Result<()> {
    talk(Maker::Libzmq, &WS, role, Security::Null, dialogue)
}

#[test]
fn requests_and_replies_go_over_websockets() -> Result<()> {
    over_websockets("rep", |socket: &Req| ask(socket, &[]))?;
    over_websockets("req", |socket: &Rep| answer(socket, 0))?;
    over_websockets("dealer", |router: &Router| {
        for index in 0..20 {
            let index = index.to_string();
            expect(router, message(&["anna", "", "q", &index]))?;
            send(router, message(&["anna", "", "r", &index]))?;
        }
        Ok(())
    })
}

#[test]
fn subscriptions_and_pairs_go_over_websockets() -> Result<()> {
    over_websockets("pub", |sub: &Sub| {
        sub.subscribe("a");
        expect(sub, message(&["a", "wanted"]))
    })?;
    over_websockets("xsub", |publisher: &XPub| {
        expect(publisher, "\x01a")?;
        send(publisher, message(&["b", "not wanted"]))?;
        send(publisher, message(&["a", "wanted"]))?;
        expect(publisher, "upstream")?;
        expect(publisher, "\x00a")
    })?;
    over_websockets("xpub", |sub: &XSub| {
        send(sub, "\x01a")?;
        expect(sub, message(&["a", "wanted"]))?;
        send(sub, "\x00a")
    })?;
    over_websockets("pair", |pair: &Pair| {
        expect(pair, "hi")?;
        send(pair, message(&["ho", "ho"]))
    })
}

fn body(byte: u8, size: usize) -> Vec<u8> {
    vec![byte; size]
}

fn recv_from<K: barid_zmq::Numbers>(socket: &Socket<K>, expected: &[u8]) -> Result<RoutingId> {
    let (peer, found) = socket.blocking().recv_from_timeout(LONG)?;
    ensure!(found == *expected, "{} bytes", found.len());
    Ok(peer)
}

fn serve<K: barid_zmq::Numbers>(socket: &Socket<K>) -> Result<()> {
    for size in SIZES {
        let peer = recv_from(socket, &body(b'q', size))?;
        socket.blocking().send_to(peer, body(b'r', size))?;
    }
    Ok(())
}

#[test]
fn a_server_serves_a_client() -> Result<()> {
    for security in EACH {
        talk(
            Maker::Libzmq,
            &ALL,
            "client",
            security,
            |socket: &Server| serve(socket),
        )?;
    }
    Ok(())
}

#[test]
fn a_client_is_served_by_a_server() -> Result<()> {
    for security in EACH {
        talk(
            Maker::Libzmq,
            &ALL,
            "server",
            security,
            |client: &Client| {
                for size in SIZES {
                    send(client, body(b'q', size))?;
                    expect(client, body(b'r', size))?;
                }
                Ok(())
            },
        )?;
    }
    Ok(())
}

fn peers(transport: &str, security: Security) -> Result<()> {
    let peer = server(Peer::builder(&Context::new()), security)?.build();
    let endpoint = peer.bind(transport)?.to_string();
    let script = start(Maker::Libzmq, "peer", "connect", &endpoint, security)?;
    let served = serve(&peer);
    script.end()?;
    served?;

    let mut script = start(Maker::Libzmq, "peer", "bind", transport, security)?;
    let peer = client(Peer::builder(&Context::new()), security)?.build();
    let theirs = peer.connect_peer(script.line()?)?;
    for size in SIZES {
        peer.blocking().send_to(theirs, body(b'q', size))?;
        ensure!(recv_from(&peer, &body(b'r', size))? == theirs);
    }
    script.end()
}

#[test]
fn peers_ask_and_answer() -> Result<()> {
    for security in EACH {
        for transport in ALL {
            peers(transport, security).with_context(|| format!("{transport}, {security:?}"))?;
        }
    }
    Ok(())
}

#[test]
fn channels_go_both_ways() -> Result<()> {
    for security in EACH {
        talk(
            Maker::Libzmq,
            &ALL,
            "channel",
            security,
            |channel: &Channel| {
                expect(channel, "hi")?;
                send(channel, "ho")
            },
        )?;
    }
    Ok(())
}

#[test]
fn what_is_scattered_is_gathered() -> Result<()> {
    for security in EACH {
        talk(
            Maker::Libzmq,
            &ALL,
            "gather",
            security,
            |scatter: &Scatter| {
                SIZES
                    .into_iter()
                    .try_for_each(|size| send(scatter, body(b'x', size)))
            },
        )?;
        talk(
            Maker::Libzmq,
            &ALL,
            "scatter",
            security,
            |gather: &Gather| {
                SIZES
                    .into_iter()
                    .try_for_each(|size| expect(gather, body(b'x', size)))
            },
        )?;
    }
    Ok(())
}

fn recv_group(dish: &Dish) -> Result<GroupMessage> {
    Ok(dish.blocking().recv_group_timeout(LONG)?)
}

#[test]
fn a_radio_reaches_a_dish() -> Result<()> {
    for security in EACH {
        talk(Maker::Libzmq, &ALL, "dish", security, |radio: &Radio| {
            ensure!(radio.blocking().wait_subscribed("a", 1, LONG)?);
            for index in 0..10 {
                radio.blocking().send_group("b", "not wanted")?;
                radio.blocking().send_group("a", index.to_string())?;
            }
            ensure!(radio.blocking().wait_subscribed("end", 1, LONG)?);
            ensure!(radio.subscribers("a") == 0);
            radio.blocking().send_group("a", "not wanted any more")?;
            Ok(radio.blocking().send_group("end", "")?)
        })?;
    }
    Ok(())
}

#[test]
fn a_dish_hears_a_radio() -> Result<()> {
    for security in EACH {
        talk(Maker::Libzmq, &ALL, "radio", security, |dish: &Dish| {
            dish.join("a")?;
            let found = recv_group(dish)?;
            ensure!(found.group == "a" && found.body == "wanted", "{found:?}");
            Ok(())
        })?;
    }
    Ok(())
}

/// A port that was free just now.
fn port() -> Result<u16> {
    Ok(UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port())
}

#[test]
fn a_dish_hears_the_datagrams_of_a_radio() -> Result<()> {
    for transport in ["udp://127.0.0.1:*", "udp://127.0.0.1;239.255.42.18:*"] {
        let dish = Dish::new(&Context::new());
        let endpoint = dish.bind(transport)?.to_string();
        dish.join("a")?;
        let script = start(Maker::Libzmq, "radio", "connect", &endpoint, Security::Null)?;
        let found = recv_group(&dish);
        script.end().context(transport)?;
        let found = found?;
        ensure!(found.group == "a" && found.body == "wanted", "{found:?}");
    }
    Ok(())
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "nobody says when a datagram is heard"
)]
fn a_radio_sends_datagrams_to_a_dish() -> Result<()> {
    for place in ["", "127.0.0.1;239.255.42.19:"] {
        let host = if place.is_empty() {
            "127.0.0.1:"
        } else {
            place
        };
        let endpoint = format!("udp://{host}{}", port()?);
        let mut script = start(
            Maker::Libzmq,
            "dish_of_datagrams",
            "bind",
            &endpoint,
            Security::Null,
        )?;
        script.line()?;
        let radio = Radio::new(&Context::new());
        radio.connect(&endpoint)?;
        while script.is_running()? {
            radio.blocking().send_group("b", "not wanted")?;
            radio.blocking().send_group("a", body(b'x', 8000))?;
            std::thread::sleep(Duration::from_millis(5));
        }
        script.end().with_context(|| endpoint.clone())?;
    }
    Ok(())
}
