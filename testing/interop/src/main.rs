//! Installs the clients and what watches the broker: `interop [CLIENT]…`, all of them by default.

use anyhow::{Context as _, Result};
use interop::{ClientKind, install, install_strace};

fn main() -> Result<()> {
    let wanted: Vec<_> = std::env::args().skip(1).collect();
    for kind in ClientKind::ALL {
        if wanted.is_empty() || wanted.iter().any(|name| name == kind.name()) {
            install(kind).with_context(|| format!("cannot install the client {}", kind.name()))?;
        }
    }
    if wanted.is_empty() {
        install_strace().context("cannot install strace")?;
    }
    Ok(())
}
