//! What is said between sockets that every libzmq has, whoever made the other side.

use crate::dialogue::{LONG, Maker, Security, ask, expect, message, messages, send, talk};
use anyhow::{Result, ensure};
use barid_zmq::{Dealer, Pub, Pull, Push, Sub};

pub(crate) fn push(maker: Maker, transports: &[&str], security: Security) -> Result<()> {
    talk::<barid_zmq::kinds::Push>(maker, transports, "pull", security, |push: &Push| {
        messages().try_for_each(|message| send(push, message))
    })
}

pub(crate) fn pull(maker: Maker, transports: &[&str], security: Security) -> Result<()> {
    talk::<barid_zmq::kinds::Pull>(maker, transports, "push", security, |pull: &Pull| {
        messages().try_for_each(|message| expect(pull, message))
    })
}

pub(crate) fn dealer(maker: Maker, transports: &[&str], security: Security) -> Result<()> {
    talk(maker, transports, "router", security, |socket: &Dealer| {
        ask(socket, &[""])
    })
}

pub(crate) fn sub(maker: Maker, transports: &[&str], security: Security) -> Result<()> {
    talk(maker, transports, "xpub", security, |sub: &Sub| {
        sub.subscribe("a");
        expect(sub, message(&["a", "wanted"]))?;
        ensure!(sub.unsubscribe("a"));
        Ok(())
    })
}

pub(crate) fn publish(maker: Maker, transports: &[&str], security: Security) -> Result<()> {
    talk(maker, transports, "sub", security, |publisher: &Pub| {
        ensure!(publisher.blocking().wait_subscribed("a", 1, LONG)?);
        for index in 0..10 {
            send(publisher, message(&["b", "not wanted"]))?;
            send(publisher, message(&["a", &index.to_string()]))?;
        }
        ensure!(publisher.blocking().wait_subscribed("end", 1, LONG)?);
        ensure!(publisher.subscribers("a") == 0);
        send(publisher, message(&["a", "not wanted any more"]))?;
        send(publisher, "end")
    })
}
