#![doc = include_str!("../README.md")]

mod admin;
mod answer;
pub mod binding;
mod client;
pub mod exchange;
mod invalid;
pub mod policy;
pub mod queue;
mod request;
mod socket;
mod text;
pub mod user;

pub use admin::{Admin, LINE_BYTES_MAX};
pub use answer::{Answer, Count, Response};
pub use client::{Client, ClientError};
pub use invalid::Invalid;
pub use request::{All, Request};
pub use socket::socket_path;
pub use text::Text;
