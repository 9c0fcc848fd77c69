#![doc = include_str!("../README.md")]

mod carrier;
mod dialect;
mod page;
mod reading;
mod table;
mod value;
mod writing;

pub use carrier::{EXCHANGE, OMITTED};
pub use dialect::HeaderDialect;
pub use page::page;
pub use reading::{Reading, said};
pub use table::{Cell, Column, Kind, Row, TABLE};
pub use value::{number, text_of};
pub use writing::{put_header, put_property};
