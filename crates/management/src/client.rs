//! The other side: a program that asks.

use crate::{Request, Response, socket_path};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The longest path that a socket's address holds, in bytes; what is longer is reached through its
/// folder.
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// A connection to a running broker, blocking.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

/// Why a request has no answer.
#[derive(Debug)]
pub enum ClientError {
    /// No broker listens there.
    NobodyListens(PathBuf),
    /// The operating system does not let us.
    Failed {
        /// The socket.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// The broker closed the connection before it answered.
    Closed(PathBuf),
    /// What came is no answer.
    Unreadable(serde_json::Error),
    /// The broker does not do it; it says why.
    Refused(String),
}

impl Client {
    /// Connects to the broker of a data folder.
    ///
    /// # Errors
    /// [`ClientError::NobodyListens`] when there is no broker, [`ClientError::Failed`] when it cannot be
    /// reached.
    pub fn connect(data_dir: &Path) -> Result<Self, ClientError> {
        let path = socket_path(data_dir);
        match connect(&path) {
            Ok(stream) => Ok(Self {
                stream: BufReader::new(stream),
                path,
            }),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused
                ) =>
            {
                Err(ClientError::NobodyListens(path))
            }
            Err(source) => Err(ClientError::Failed { path, source }),
        }
    }

    /// Asks, and waits for the answer: what stands behind `"ok"`.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the broker does not do it; the others when there is no answer.
    pub fn call(&mut self, request: &Request) -> Result<serde_json::Value, ClientError> {
        let mut line = serde_json::to_vec(request).map_err(ClientError::Unreadable)?;
        line.push(b'\n');
        let failed = |path: &Path, source: io::Error| ClientError::Failed {
            path: path.to_owned(),
            source,
        };
        // A broker that refuses the connection says why and closes; so its answer is read all the same.
        let written = self.stream.get_mut().write_all(&line);
        let mut answer = Vec::new();
        let count = self
            .stream
            .read_until(b'\n', &mut answer)
            .map_err(|source| failed(&self.path, source))?;
        if count == 0 {
            written.map_err(|source| failed(&self.path, source))?;
            return Err(ClientError::Closed(self.path.clone()));
        }
        match serde_json::from_slice(&answer).map_err(ClientError::Unreadable)? {
            Response::Ok(value) => Ok(value),
            Response::Error(text) => Err(ClientError::Refused(text)),
        }
    }
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return UnixStream::connect(path);
    };
    if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return UnixStream::connect(path);
    }
    let folder = File::open(folder)?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string());
    UnixStream::connect(short.join(name))
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NobodyListens(path) => write!(
                f,
                "no broker listens at {}: start one with `barid serve`, or give --data-dir with its \
                 data folder",
                path.display()
            ),
            Self::Failed { path, source } => {
                write!(
                    f,
                    "cannot talk to the broker at {}: {source}",
                    path.display()
                )
            }
            Self::Closed(path) => write!(
                f,
                "the broker at {} closed the connection without an answer",
                path.display()
            ),
            Self::Unreadable(source) => write!(f, "not an answer of a broker: {source}"),
            Self::Refused(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed { source, .. } => Some(source),
            Self::Unreadable(source) => Some(source),
            Self::NobodyListens(_) | Self::Closed(_) | Self::Refused(_) => None,
        }
    }
}
