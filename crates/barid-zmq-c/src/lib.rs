#![doc = include_str!("../README.md")]
#![expect(
    unsafe_code,
    reason = "it is an interface in C: pointers come from the program, and go to it"
)]

mod api;
mod context;
mod errno;
mod handle;
mod lock;
mod mask;
mod message;
mod monitor;
mod options;
mod poll;
mod proxy;
mod signal;
mod socket;
mod wire;
mod zap;
