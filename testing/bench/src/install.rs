//! Installs a missing peer from the distribution's packages, without letting it start anything.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

/// What package scripts ask before they start a service; 101 means "do not".
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Makes sure that `program` exists, from `package` if need be.
///
/// # Errors
/// If it is missing and this is not root, or the package manager fails.
pub(crate) fn ensure_installed(program: &Path, package: &str) -> Result<()> {
    if program.exists() {
        return Ok(());
    }
    ensure!(
        rustix::process::geteuid().is_root(),
        "{} is missing: install the package {package}, or run as root to have it installed",
        program.display()
    );
    crate::progress(format_args!("installing {package}"));
    let _guard = NoServices::begin()?;
    apt_get(&["update"])?;
    apt_get(&["install", "--yes", "--no-install-recommends", package])?;
    ensure!(
        program.exists(),
        "{package} is installed but {} is missing",
        program.display()
    );
    Ok(())
}

/// The name and version of an installed package; nothing if that cannot be told.
pub(crate) fn version(package: &str) -> String {
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat=${Package} ${Version}", package])
        .stdin(Stdio::null())
        .output();
    let told = output.ok().filter(|output| output.status.success());
    told.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    })
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("starting apt-get")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "apt-get {} failed: {}",
        arguments.join(" "),
        said.trim()
    );
    Ok(())
}

/// Forbids package scripts to start services while it lives. A policy that was there before is
/// set aside and put back.
struct NoServices {
    kept: Option<PathBuf>,
}

impl NoServices {
    fn begin() -> Result<Self> {
        let policy = Path::new(POLICY);
        let kept = policy
            .exists()
            .then(|| policy.with_extension("kept-by-bench"));
        if let Some(kept) = &kept {
            fs::rename(policy, kept).context("setting the service policy aside")?;
        }
        let guard = Self { kept };
        fs::write(policy, "#!/bin/sh\nexit 101\n").context("writing the service policy")?;
        fs::set_permissions(policy, fs::Permissions::from_mode(0o755))?;
        Ok(guard)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        let restored = match &self.kept {
            Some(kept) => fs::rename(kept, POLICY),
            None => fs::remove_file(POLICY),
        };
        if let Err(error) = restored {
            crate::progress(format_args!("could not restore {POLICY}: {error}"));
        }
    }
}
