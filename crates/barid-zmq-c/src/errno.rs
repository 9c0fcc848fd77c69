//! How an operation fails, to a program in C.

use barid_zmq::{BindError, ConnectError, EndpointError, ReceiveError, SendRefusal};
use std::ffi::CStr;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What libzmq adds to the system's numbers.
const BASE: i32 = 156_384_712;

/// Why an operation fails: one of the system's numbers, or of libzmq's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl Errno {
    pub(crate) const EAGAIN: Self = Self(libc::EAGAIN);
    pub(crate) const EADDRINUSE: Self = Self(libc::EADDRINUSE);
    pub(crate) const EFAULT: Self = Self(libc::EFAULT);
    pub(crate) const EFSM: Self = Self(BASE + 51);
    pub(crate) const EHOSTUNREACH: Self = Self(libc::EHOSTUNREACH);
    pub(crate) const EINTR: Self = Self(libc::EINTR);
    pub(crate) const EINVAL: Self = Self(libc::EINVAL);
    pub(crate) const EIO: Self = Self(libc::EIO);
    pub(crate) const EMFILE: Self = Self(libc::EMFILE);
    pub(crate) const ENAMETOOLONG: Self = Self(libc::ENAMETOOLONG);
    pub(crate) const ENOCOMPATPROTO: Self = Self(BASE + 52);
    pub(crate) const ENODEV: Self = Self(libc::ENODEV);
    pub(crate) const ENOENT: Self = Self(libc::ENOENT);
    pub(crate) const ENOMEM: Self = Self(libc::ENOMEM);
    pub(crate) const ENOTSOCK: Self = Self(libc::ENOTSOCK);
    pub(crate) const ENOTSUP: Self = Self(libc::ENOTSUP);
    pub(crate) const EPROTONOSUPPORT: Self = Self(libc::EPROTONOSUPPORT);
    pub(crate) const ETERM: Self = Self(BASE + 53);

    /// What the last failed call of this thread has left.
    pub(crate) fn last() -> i32 {
        io::Error::last_os_error().raw_os_error().unwrap_or(0)
    }

    /// Leaves it for the caller.
    pub(crate) fn set(self) {
        // SAFETY: the address is that of this thread's number, which lives as long as the thread.
        unsafe { *libc::__errno_location() = self.0 };
    }

    /// Words for libzmq's own numbers.
    pub(crate) fn text(number: i32) -> Option<&'static CStr> {
        Some(match Self(number) {
            Self::EFSM => c"Operation cannot be accomplished in current state",
            Self::ENOCOMPATPROTO => c"The protocol is not compatible with the socket type",
            Self::ETERM => c"Context was terminated",
            Self::EHOSTUNREACH => c"Host unreachable",
            Self(number) if number == BASE + 54 => c"No thread available",
            Self(_) => return None,
        })
    }
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        if let Some(number) = error.raw_os_error() {
            return Self(number);
        }
        // The number is lost where the standard library has made an error of its own.
        if error.kind() == io::ErrorKind::AddrInUse {
            Self::EADDRINUSE
        } else if error.kind() == io::ErrorKind::InvalidInput {
            Self::EINVAL
        } else {
            Self::ENODEV
        }
    }
}

impl From<EndpointError> for Errno {
    fn from(error: EndpointError) -> Self {
        if matches!(error, EndpointError::UnknownTransport(_)) {
            Self::EPROTONOSUPPORT
        } else {
            Self::EINVAL
        }
    }
}

impl From<BindError> for Errno {
    fn from(error: BindError) -> Self {
        match error {
            BindError::Endpoint(error) => error.into(),
            BindError::Unsuitable(_) => Self::ENOCOMPATPROTO,
            BindError::InUse => Self::EADDRINUSE,
            BindError::Closed => Self::ETERM,
            BindError::Io(error) => error.into(),
        }
    }
}

impl From<ConnectError> for Errno {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Endpoint(error) => error.into(),
            ConnectError::Open(_) | ConnectError::RoutingIdInUse => Self::EINVAL,
            ConnectError::Unsuitable(_) | ConnectError::Incompatible { .. } => Self::ENOCOMPATPROTO,
            ConnectError::Closed => Self::ETERM,
            ConnectError::Io(error) => error.into(),
        }
    }
}

impl From<SendRefusal> for Errno {
    fn from(refusal: SendRefusal) -> Self {
        match refusal {
            SendRefusal::Full => Self::EAGAIN,
            SendRefusal::Closed => Self::ETERM,
            SendRefusal::Unroutable => Self::EHOSTUNREACH,
            SendRefusal::OutOfTurn => Self::EFSM,
            SendRefusal::ManyFrames | SendRefusal::LongGroup => Self::EINVAL,
        }
    }
}

impl From<ReceiveError> for Errno {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Empty => Self::EAGAIN,
            ReceiveError::Closed => Self::ETERM,
            ReceiveError::OutOfTurn => Self::EFSM,
        }
    }
}

pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// What a call gives back when it fails.
pub(crate) trait Failed {
    const FAILED: Self;
}

impl Failed for i32 {
    const FAILED: Self = -1;
}

impl Failed for i64 {
    const FAILED: Self = -1;
}

impl<T> Failed for *mut T {
    const FAILED: Self = std::ptr::null_mut();
}

impl<T> Failed for *const T {
    const FAILED: Self = std::ptr::null();
}

/// Does what a call is for, and leaves its error as C has it. A panic is a bug of ours, and stays on this side: the call
/// fails with `EFAULT`.
pub(crate) fn call<T: Failed>(f: impl FnOnce() -> Result<T>) -> T {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(value)) => value,
        Ok(Err(errno)) => {
            errno.set();
            T::FAILED
        }
        Err(_) => {
            Errno::EFAULT.set();
            T::FAILED
        }
    }
}
