//! One broker per data folder.

use crate::load::{drain_all, publish};
use crate::stage::{Stage, barid};
use anyhow::{Context as _, Result};

#[test]
fn a_second_broker_on_the_same_folder_is_refused() -> Result<()> {
    let stage = Stage::new()?;
    let broker = stage.start()?;
    publish(&broker, "q", 0..10, 100)?;
    let data = stage.data();
    let data = data.to_str().context("a temporary path is text")?;
    let any = "127.0.0.1:0";
    let free = ["--stomp", any, "--mqtt", any, "--amqp", any, "--ws", any];
    let second = barid(&[&["serve", "--data-dir", data], &free[..]].concat())?;
    second.failed(&[data, "in use"])?;
    for command in ["check", "repair"] {
        stage.store(&[command])?.failed(&[data, "stop it first"])?;
    }
    // The first one has not noticed.
    stage.store(&["stats"])?.succeeded(&["journal"])?;
    drain_all(&broker, "q", 0..10)
}
