//! Floods of the real binary.

use anyhow::{Result, ensure};
use kill::flood;

#[test]
fn memory_is_bounded_whatever_is_published() -> Result<()> {
    let flood = flood::durable()?;
    println!("{flood:?}");
    // Else the bound says nothing.
    ensure!(flood.sent_bytes > 2 * flood.grown_bytes_max, "{flood:?}");
    Ok(())
}

#[test]
fn publishers_are_held_back_and_told_while_memory_is_full() -> Result<()> {
    let flood = flood::full_memory()?;
    println!("{flood:?}");
    Ok(())
}

#[test]
fn publishers_are_held_back_and_told_while_the_disk_is_full() -> Result<()> {
    flood::full_disk()
}
