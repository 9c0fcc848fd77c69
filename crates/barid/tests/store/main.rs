//! What the store promises, of the real binary on a real disk: damage, a full disk, copies, two brokers.

mod backup;
mod damage;
mod exclusive;
mod full_disk;
mod load;
mod stage;
