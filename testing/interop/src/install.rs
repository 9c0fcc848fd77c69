//! Puts the clients at pinned versions beside the builds.

use crate::kind::{ClientKind, JARS, Source};
use anyhow::{Context as _, Result, bail, ensure};
use client::target_dir;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a client is installed.
///
/// # Errors
/// When it is not.
pub fn installed(kind: ClientKind) -> Result<PathBuf> {
    let home = home(kind)?;
    ensure!(
        is_installed(kind, &home),
        "the client {} is not installed: run `cargo xtask interop --install`",
        kind.name()
    );
    Ok(home)
}

/// Another script in the folder of pyzmq, ready for the arguments.
///
/// # Errors
/// When pyzmq is not installed.
pub fn pyzmq_script(name: &str) -> Result<Command> {
    let kind = ClientKind::Pyzmq;
    let home = installed(kind)?;
    let mut command = Command::new(home.join("bin/python"));
    command.arg("-B").arg(kind.folder().join(name));
    Ok(command)
}

/// Installs a client, unless it is there with the version that is asked for.
///
/// # Errors
/// When it cannot be installed; the text says what is missing.
pub fn install(kind: ClientKind) -> Result<()> {
    let home = home(kind)?;
    if is_installed(kind, &home) {
        return Ok(());
    }
    match kind.source() {
        Source::Pip(requirements) => install_from_pip(&home, requirements)?,
        Source::Unpacked(requirements, package) => {
            install_from_pip(&home, requirements)?;
            unpack_from_pip(&home, requirements, package)?;
        }
        Source::Npm(package) => install_from_npm(&home, package)?,
        Source::Cargo(_) => build(&home, &kind.folder())?,
        Source::Debian(packages, _) => apt_install(packages)?,
        Source::Java(_) => compile(&home, &kind.folder())?,
        Source::Library(_) => build_library(&home, &kind.folder())?,
    }
    if let Some(stamp) = stamp(kind) {
        fs::write(home.join("installed"), stamp)?;
    }
    ensure!(
        is_installed(kind, &home),
        "{} is still missing after its installation",
        kind.name()
    );
    Ok(())
}

/// Installs `strace`, with which a test watches the broker's system calls, unless it is there.
///
/// # Errors
/// When it cannot be installed.
pub fn install_strace() -> Result<()> {
    if works("strace", &["--version"]) {
        return Ok(());
    }
    apt_install(&["strace"])
}

fn install_from_pip(home: &Path, wanted: &str) -> Result<()> {
    if !works("python3", &["-c", "import ensurepip, venv"]) {
        apt_install(&["python3", "python3-venv"])?;
    }
    clear(home)?;
    run(Command::new("python3").args(["-m", "venv"]).arg(home))?;
    let requirements = home.join("requirements.txt");
    fs::write(&requirements, wanted)?;
    let mut pip = Command::new(home.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]);
    run(pip.arg("--requirement").arg(requirements))
}

/// Puts the source of a package, of the version that is required, into the folder `source`.
fn unpack_from_pip(home: &Path, requirements: &str, package: &str) -> Result<()> {
    let is_it = |line: &&str| line.split("==").next() == Some(package);
    let requirement = requirements.lines().find(is_it);
    let requirement = requirement.with_context(|| format!("{package} is not required"))?;
    let source = home.join("source");
    fs::create_dir_all(&source)?;
    let mut pip = Command::new(home.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    pip.args(["--no-deps", "--no-binary", package, requirement, "--dest"]);
    run(pip.arg(&source))?;
    let archive = source.join(format!("{}.tar.gz", requirement.replace("==", "-")));
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--gzip", "--strip-components=1", "--directory"]);
    run(tar.arg(&source).arg("--file").arg(archive))
}

fn install_from_npm(home: &Path, package: &str) -> Result<()> {
    if !works("node", &["--version"]) || !works("npm", &["--version"]) {
        apt_install(&["nodejs", "npm"])?;
    }
    clear(home)?;
    fs::write(home.join("package.json"), package)?;
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--no-audit",
        "--no-fund",
        "--no-package-lock",
        "--ignore-scripts",
    ]);
    run(npm.current_dir(home))
}

/// Builds the program with the cases; what is built stays for the next version of it.
fn build(home: &Path, folder: &Path) -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--manifest-path"]);
    cargo.arg(folder.join("Cargo.toml"));
    run(cargo.arg("--target-dir").arg(home))
}

/// Builds a library of C++ by its script, which takes a few minutes, once.
fn build_library(home: &Path, folder: &Path) -> Result<()> {
    let has_tools = works("g++", &["--version"])
        && works("patch", &["--version"])
        && works("xz", &["--version"])
        && works("python3", &["--version"]);
    if !has_tools {
        apt_install(&["g++", "patch", "xz-utils", "python3"])?;
    }
    clear(home)?;
    run(Command::new(folder.join("build.sh")).arg(home))
}

fn compile(home: &Path, folder: &Path) -> Result<()> {
    let has_jars = JARS.split(':').all(|jar| Path::new(jar).is_file());
    if !has_jars || !works("javac", &["-version"]) || !works("java", &["-version"]) {
        apt_install(&["librabbitmq-client-java", "default-jdk-headless"])?;
    }
    clear(home)?;
    let mut javac = Command::new("javac");
    javac.args(["-cp", JARS, "-d"]).arg(home);
    run(javac.arg(folder.join("Cases.java")))
}

/// Installs Debian packages, which only root can; anybody else is told which.
fn apt_install(packages: &[&str]) -> Result<()> {
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    let update = run(apt().args(["update", "--quiet"]));
    let install = ["install", "--yes", "--no-install-recommends"];
    let install = || run(apt().args(install).args(packages));
    update
        .and_then(|()| install())
        .with_context(|| format!("install the Debian packages {}", packages.join(", ")))
}

fn works(program: &str, args: &[&str]) -> bool {
    let output = Command::new(program).args(args).output();
    output.is_ok_and(|output| output.status.success())
}

/// What is written beside an installation, so that another version is installed anew.
fn stamp(kind: ClientKind) -> Option<String> {
    match kind.source() {
        Source::Pip(text) | Source::Unpacked(text, _) | Source::Npm(text) | Source::Java(text) => {
            Some(text.to_owned())
        }
        Source::Cargo(texts) | Source::Library(texts) => Some(texts.concat()),
        Source::Debian(..) => None,
    }
}

fn is_installed(kind: ClientKind, home: &Path) -> bool {
    let stamped =
        |stamp: &str| fs::read_to_string(home.join("installed")).is_ok_and(|found| found == stamp);
    match kind.source() {
        Source::Debian(_, [program, args @ ..]) => works(program, args),
        Source::Debian(_, []) => false,
        Source::Pip(_)
        | Source::Unpacked(..)
        | Source::Npm(_)
        | Source::Cargo(_)
        | Source::Java(_)
        | Source::Library(_) => stamp(kind).is_some_and(|stamp| stamped(&stamp)),
    }
}

fn home(kind: ClientKind) -> Result<PathBuf> {
    Ok(target_dir()?.join("interop").join(kind.name()))
}

fn clear(home: &Path) -> Result<()> {
    if home.exists() {
        fs::remove_dir_all(home).with_context(|| format!("removing {}", home.display()))?;
    }
    fs::create_dir_all(home).with_context(|| format!("making {}", home.display()))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} failed: {}",
            command.get_program().display(),
            said.trim()
        );
    }
    Ok(())
}
