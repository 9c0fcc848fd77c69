//! Where the admin interface listens.

use std::path::{Path, PathBuf};

/// The socket in the data folder.
const FILE: &str = "admin.sock";

/// The Unix socket that the broker of this data folder listens on while it is ready.
#[must_use]
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}
