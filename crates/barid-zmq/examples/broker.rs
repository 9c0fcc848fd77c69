//! Clients ask a ROUTER, repliers answer behind a DEALER: a queue of requests in one line.
//!
//! `broker tcp://*:5559 tcp://*:5560`

use barid_zmq::{Context, Dealer, Router, proxy};
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut endpoints = std::env::args().skip(1);
    let context = Context::new();
    let (front, back) = (Router::new(&context), Dealer::new(&context));
    front.bind(endpoints.next().ok_or("where clients connect to")?)?;
    back.bind(endpoints.next().ok_or("where repliers connect to")?)?;
    Err(proxy(&front, &back).await.into())
}
