//! Sessions of MQTT that outlive their connection, at the real core on a store in memory: clients that do as the
//! specification says publish and read, their connections break, the broker loses power. Nothing that was confirmed is
//! lost, and what is published with QoS 2 comes once. What they share comes to one of them: to another only if the first may
//! not have answered.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod client;
mod world;

use client::{Client, Topic};
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

/// How connections end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// Clients say good-bye, behind all that they have to say.
    Orderly,
    /// They break, are taken over, and end with the broker, too.
    Anyhow,
}

/// One thing that happens.
fn step(world: &mut World, clients: &mut [Client], random: &mut Random, ends: Ends) {
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
            let topic = match random.below(3) {
                0 => Topic::All,
                _ => Topic::Group,
            };
            client.publish(topic, qos[usize::try_from(random.below(4)).unwrap()]);
        }
        8..18 => client.send(world, random.below(200)),
        18..24 => client.exchange(world),
        24..32 => drop(client.read(1 + random.below(4))),
        32..38 => world.step_executor(random.below(2)),
        38..42 => drop(world.round_of(random.below(4))),
        42..46 => drop(world.settle()),
        46 => world.pass(random.below(30)),
        47 if ends == Ends::Orderly => client.leave(world),
        47 => client.lose(world),
        48 if random.below(3) == 0 => client.leave(world),
        48..58 => client.connect(world),
        58 if ends == Ends::Anyhow && random.below(6) == 0 => {
            clients.iter_mut().for_each(Client::forget_connection);
            world.crash(random);
        }
        58 => world.snapshot(random.below(4)),
        _ if ends == Ends::Orderly => {}
        // Another connection of the same client, while this one is there.
        _ => client.take_over(world),
    }
}

/// All connections are made again, and everything happens until nothing moves.
fn heal(world: &mut World, clients: &mut [Client]) {
    for client in clients.iter_mut() {
        client.leave(world);
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

fn run(seed: u64, ends: Ends) {
    let mut random = Random::new(seed);
    let mut world = World::new();
    let mut clients = clients();
    for client in &mut clients {
        client.subscribes();
    }
    heal(&mut world, &mut clients);
    for _ in 0..STEPS {
        step(&mut world, &mut clients, &mut random, ends);
    }
    heal(&mut world, &mut clients);
    for client in &clients {
        assert!(client.is_done(), "seed {seed}: {client:?}");
    }
    let published: Vec<_> = clients.iter().flat_map(Client::published).collect();
    for (payload, topic, qos) in &published {
        let counts: Vec<_> = clients.iter().map(|client| client.times(payload)).collect();
        let what =
            format!("seed {seed}: {payload} to {topic:?} with {qos:?} came {counts:?} times");
        match topic {
            Topic::All => {
                let is_right = |count: &u32| is_right(*count, *qos);
                assert!(counts.iter().all(is_right), "{what} {clients:?}");
            }
            Topic::Group => {
                // It is granted QoS 1; but who has answered has answered for all of them.
                let count = counts.iter().sum();
                let qos = match ends {
                    Ends::Orderly => *qos,
                    Ends::Anyhow => (*qos).min(Qos::AtLeastOnce),
                };
                assert!(is_right(count, qos), "{what} {clients:?}");
            }
        }
    }
}

/// Whether a message may have come so often.
fn is_right(count: u32, qos: Qos) -> bool {
    match qos {
        Qos::AtMostOnce => count <= 1,
        Qos::AtLeastOnce => count >= 1,
        Qos::ExactlyOnce => count == 1,
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
        run(seed, Ends::Anyhow);
    }
}

#[test]
fn where_all_say_good_bye_what_is_shared_comes_once() {
    for seed in seeds() {
        run(seed, Ends::Orderly);
    }
}
