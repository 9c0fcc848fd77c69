//! A weather server publishes, a client subscribes to one city and takes an average.

#![expect(clippy::print_stdout, reason = "it is a program")]

use barid_zmq::{Context, Message, Pub, Sub};
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let publisher = Pub::new(&Context::new());
    let endpoint = publisher.bind("tcp://127.0.0.1:*")?;

    let client = tokio::spawn(async move {
        let sub = Sub::new(&Context::new());
        sub.subscribe("geneva");
        sub.connect(endpoint)?;
        let mut sum = 0;
        for _ in 0..100 {
            let update = sub.recv().await?;
            let degrees = update.get(1).ok_or("no temperature")?;
            sum += std::str::from_utf8(degrees)?.parse::<i32>()?;
        }
        println!("In Geneva it is {} degrees, on average.", sum / 100);
        Ok::<(), Box<dyn Error + Send + Sync>>(())
    });

    // Without this the first updates would go to nobody.
    publisher.wait_subscribed("geneva", 1).await?;
    for degrees in 0..100 {
        publisher
            .send(Message::from_iter(["geneva", &(degrees % 30).to_string()]))
            .await?;
        publisher.send(Message::from_iter(["oslo", "-5"])).await?;
    }
    client.await?.map_err(|error| error.to_string())?;
    publisher.close().await;
    Ok(())
}
