//! Listening for programs of this machine, at a file.

use crate::listener::{Address, BACKLOG, BindError, Listener, Socket};
use socket2::{Domain, SockAddr, Type};
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Who may connect: the user that runs the program, and nobody else.
const MODE: u32 = 0o600;

/// The longest path that a socket's address holds, in bytes; what is longer is reached through its
/// folder.
const PATH_BYTES_MAX: usize = 100;

/// Listens on a Unix socket at a path, which only the user that runs the program may open. One that a
/// crash has left there is replaced. The file goes when the listener, or who serves it, does.
///
/// # Errors
/// [`BindError::FileInUse`] when somebody listens there, [`BindError::FileNoSocket`] when there is
/// something else, [`BindError::FileFailed`] for anything that the operating system says.
pub fn bind_unix(path: &Path) -> Result<Listener, BindError> {
    let failed = |source| BindError::FileFailed {
        path: path.to_owned(),
        source,
    };
    remove_stale(path)?;
    let (socket, file) = open(path).map_err(failed)?;
    Ok(Listener {
        socket: Socket::Unix(socket, file),
        address: Address::Unix(path.to_owned()),
    })
}

/// The file of a socket; removes it when dropped, unless another stands there by then.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and number.
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|there| there == self.identity) {
            // What cannot be removed is found as stale by whoever comes next.
            let _is_removed = fs::remove_file(&self.path);
        }
    }
}

fn open(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    with_short(path, |path| socket.bind(&SockAddr::unix(path)?))?;
    let file = SocketFile::of(path)?;
    // Before it listens: until then nobody can connect, whatever the mode it was made with.
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG)?;
    Ok((socket.into(), file))
}

/// Removes a socket that nobody listens on.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |source| BindError::FileFailed {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::FileNoSocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match with_short(path, |path| UnixStream::connect(path)) {
        Ok(_) => Err(BindError::FileInUse(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Calls with the path, or with a short one that means the same.
fn with_short<T>(path: &Path, call: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return call(path);
    };
    if path.as_os_str().len() <= PATH_BYTES_MAX {
        return call(path);
    }
    let folder = File::open(folder)?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string());
    call(&short.join(name))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_user_may_open_it_and_it_goes_with_the_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = bind_unix(&path).unwrap();
        assert_eq!(listener.address(), &Address::Unix(path.clone()));
        assert_eq!(listener.address().to_string(), path.to_str().unwrap());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        UnixStream::connect(&path).unwrap();
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn one_that_a_crash_has_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let _listener = bind_unix(&path).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = bind_unix(&path).unwrap();
        let error = bind_unix(&path).unwrap_err();
        assert!(
            matches!(&error, BindError::FileInUse(at) if *at == path),
            "{error}"
        );
        // Another stands in its place by the time it goes.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        drop(listener);
        let error = bind_unix(&path).unwrap_err();
        assert!(
            matches!(&error, BindError::FileNoSocket(at) if *at == path),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        let error = bind_unix(&folder.path().join("gone").join("s")).unwrap_err();
        assert!(matches!(error, BindError::FileFailed { .. }), "{error}");
    }

    #[test]
    fn a_path_that_no_address_holds_is_as_good() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("x".repeat(100)).join("y".repeat(100));
        fs::create_dir_all(&deep).unwrap();
        let path = deep.join("s");
        let listener = bind_unix(&path).unwrap();
        with_short(&path, |path| UnixStream::connect(path)).unwrap();
        assert!(matches!(bind_unix(&path), Err(BindError::FileInUse(_))));
        drop(listener);
        assert!(!path.exists());
    }
}
