//! A data folder of a test, the broker on it, and the program's other commands.

use anyhow::{Context as _, Result, bail, ensure};
use client::{Broker, WAIT_MAX};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Few shards, small segments, little memory: so little traffic makes snapshots and pages.
pub(crate) const SMALL: [&str; 4] = [
    "--store-shards=4",
    "--store-segment-bytes=1MiB",
    "--queue-memory-bytes-max=1MiB",
    "--store-disk-free-bytes-min=0",
];

/// A folder that goes with the test.
pub(crate) struct Stage {
    folder: TempDir,
}

/// What a command of the program has said.
pub(crate) struct Said {
    /// Its exit code.
    pub(crate) code: i32,
    /// Both its outputs.
    pub(crate) text: String,
}

impl Stage {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            folder: tempfile::Builder::new().prefix("barid-store-").tempdir()?,
        })
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Starts a broker with [`SMALL`] settings.
    pub(crate) fn start(&self) -> Result<Broker> {
        Broker::start_with(&self.data(), &SMALL)
    }

    /// `barid store` on the data folder.
    pub(crate) fn store(&self, args: &[&str]) -> Result<Said> {
        store(&self.data(), args)
    }
}

/// `barid store` on a data folder.
pub(crate) fn store(data: &Path, args: &[&str]) -> Result<Said> {
    let data = data.to_str().context("a temporary path is text")?;
    barid(&[&["store"], args, &["--data-dir", data]].concat())
}

/// Runs a command of the program to its end.
pub(crate) fn barid(args: &[&str]) -> Result<Said> {
    let mut command = Command::new("timeout");
    command.arg(WAIT_MAX.as_secs().to_string());
    command.arg(client::binary()?).args(args);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BARID_") {
            command.env_remove(name);
        }
    }
    let output = command.output().context("running `timeout`")?;
    let text = [output.stdout, output.stderr].concat();
    Ok(Said {
        code: output.status.code().context("a signal ended it")?,
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}

impl Said {
    /// Success, and all these words were said.
    pub(crate) fn succeeded(&self, words: &[&str]) -> Result<()> {
        self.ended(0, words)
    }

    /// An error, and all these words were said.
    pub(crate) fn failed(&self, words: &[&str]) -> Result<()> {
        self.ended(1, words)
    }

    fn ended(&self, code: i32, words: &[&str]) -> Result<()> {
        let Self { code: found, text } = self;
        ensure!(*found == code, "exit code {found}, not {code}:\n{text}");
        for word in words {
            ensure!(text.contains(word), "nothing about {word:?}:\n{text}");
        }
        Ok(())
    }
}

/// The store's files with this prefix, by name.
pub(crate) fn files(data: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(data.join("store"))? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// A byte in one of the store's files.
pub(crate) struct Spot {
    pub(crate) file: PathBuf,
    pub(crate) offset: u64,
}

/// The first place of some text in the files with this prefix.
pub(crate) fn find(data: &Path, prefix: &str, text: &str) -> Result<Option<Spot>> {
    for file in files(data, prefix)? {
        // It may be deleted while it is looked at.
        let bytes = fs::read(&file).unwrap_or_default();
        if let Some(offset) = memchr::memmem::find(&bytes, text.as_bytes()) {
            let offset = u64::try_from(offset)?;
            return Ok(Some(Spot { file, offset }));
        }
    }
    Ok(None)
}

impl Spot {
    /// The file's name.
    pub(crate) fn name(&self) -> String {
        let name = self.file.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Flips a bit of the byte, under whoever has the file open.
    pub(crate) fn flip(&self) -> Result<()> {
        use std::os::unix::fs::FileExt as _;
        let file = fs::File::options()
            .read(true)
            .write(true)
            .open(&self.file)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, self.offset)?;
        byte[0] ^= 0x10;
        Ok(file.write_all_at(&byte, self.offset)?)
    }
}

/// Looks until there is something, for a generous time.
#[expect(
    clippy::disallowed_methods,
    reason = "another process gives no event to wait for"
)]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    const POLL: Duration = Duration::from_millis(10);
    for _ in 0..WAIT_MAX.as_millis() / POLL.as_millis() {
        if let Some(found) = look()? {
            return Ok(found);
        }
        std::thread::sleep(POLL);
    }
    bail!("waited {WAIT_MAX:?} for {what}")
}
