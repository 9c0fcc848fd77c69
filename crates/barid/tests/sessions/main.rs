//! Sessions of MQTT that outlive their connection, at the real core on a store in memory: clients that do as the
//! specification says publish and read, their connections break, the broker loses power. Nothing that was confirmed is
//! lost, and what is published with QoS 2 comes once.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod client;
mod world;

use client::Client;
use proto_mqtt::{Qos, Version};
use world::{Random, World};

/// So much happens to each world before it heals.
const STEPS: u32 = 1500;

fn clients() -> Vec<Client> {
    let versions = [Version::V5, Version::V311, Version::V5];
    let names = ["one", "two", "three"];
    let clients = names.into_iter().zip(versions);
    clients
        .map(|(name, version)| Client::new(name, version))
        .collect()
}

/// One thing that happens.
fn step(world: &mut World, clients: &mut [Client], random: &mut Random) {
    let at = random.below(clients.len() as u64);
    let client = &mut clients[usize::try_from(at).unwrap()];
    match random.below(60) {
        0..8 => {
            let qos = [
                Qos::AtMostOnce,
                Qos::AtLeastOnce,
                Qos::ExactlyOnce,
                Qos::ExactlyOnce,
            ];
            client.publish(qos[usize::try_from(random.below(4)).unwrap()]);
        }
        8..18 => client.send(world, random.below(200)),
        18..24 => client.exchange(world),
        24..32 => drop(client.read(1 + random.below(4))),
        32..38 => world.step_executor(random.below(2)),
        38..42 => drop(world.round_of(random.below(4))),
        42..46 => drop(world.settle()),
        46 => world.pass(random.below(30)),
        47 => client.lose(world),
        48 if random.below(3) == 0 => client.leave(world),
        48..58 => client.connect(world),
        58 if random.below(6) == 0 => {
            clients.iter_mut().for_each(Client::forget_connection);
            world.crash(random);
        }
        58 => world.snapshot(random.below(4)),
        // Another connection of the same client, while this one is there.
        _ => client.take_over(world),
    }
}

/// All connections are made again, and everything happens until nothing moves.
fn heal(world: &mut World, clients: &mut [Client]) {
    for client in clients.iter_mut() {
        client.lose(world);
    }
    let mut quiet = 0;
    for _ in 0..10_000 {
        let mut moved = world.settle();
        for client in clients.iter_mut() {
            client.connect(world);
            client.send(world, u64::MAX);
            client.exchange(world);
            moved |= client.read(u64::MAX);
        }
        quiet = if moved { 0 } else { quiet + 1 };
        if quiet > 3 {
            return;
        }
        world.pass(5);
    }
    panic!("it never comes to rest");
}

fn run(seed: u64) {
    let mut random = Random::new(seed);
    let mut world = World::new();
    let mut clients = clients();
    for client in &mut clients {
        client.subscribes();
    }
    heal(&mut world, &mut clients);
    for _ in 0..STEPS {
        step(&mut world, &mut clients, &mut random);
    }
    heal(&mut world, &mut clients);
    for client in &clients {
        assert!(client.is_done(), "seed {seed}: {client:?}");
    }
    let published: Vec<_> = clients.iter().flat_map(Client::published).collect();
    for client in &clients {
        for (payload, qos) in &published {
            let count = client.times(payload);
            let what =
                format!("seed {seed}: {payload} with {qos:?} came {count} times to {client:?}");
            match qos {
                Qos::AtMostOnce => assert!(count <= 1, "{what}"),
                Qos::AtLeastOnce => assert!(count >= 1, "{what}"),
                Qos::ExactlyOnce => assert_eq!(count, 1, "{what}"),
            }
        }
    }
}

fn seeds() -> std::ops::Range<u64> {
    let set = std::env::var("SESSION_SEEDS").ok();
    let count = set.and_then(|count| count.parse().ok());
    0..count.unwrap_or(100)
}

#[test]
fn whatever_breaks_nothing_is_lost_and_qos_2_comes_once() {
    for seed in seeds() {
        run(seed);
    }
}
