//! `zmq_poll`: sockets and descriptors at once.

use crate::errno::Result;
use crate::signal::{Deadline, poll, readable};
use crate::socket::{POLLIN, POLLOUT, Socket, Way};
use std::os::fd::RawFd;
use std::sync::Arc;

const POLLERR: i16 = 4;
const POLLPRI: i16 = 8;

/// What is looked at.
pub(crate) enum Subject {
    Socket(Arc<Socket>),
    Descriptor(RawFd),
}

/// What is looked at for which events, and those that it has.
pub(crate) struct Item {
    pub(crate) subject: Subject,
    pub(crate) events: i16,
    pub(crate) found: i16,
}

/// Waits until one of them has an event that is wanted; returns how many have.
pub(crate) fn poll_items(items: &mut [Item], deadline: Deadline) -> Result<usize> {
    let found = look(items)?;
    if found > 0 || deadline.is_now() {
        return Ok(found);
    }
    if let [only] = &*items
        && only.looks_out()
    {
        let found = look(items)?;
        if found > 0 {
            return Ok(found);
        }
    }
    loop {
        for item in &*items {
            if let Subject::Socket(socket) = &item.subject {
                socket.arm();
            }
        }
        let found = look(items)?;
        if found > 0 {
            return Ok(found);
        }
        let mut polled: Vec<_> = items.iter().map(Item::polled).collect();
        if poll(&mut polled, deadline)? == 0 {
            return Ok(0);
        }
    }
}

/// What they have now.
fn look(items: &mut [Item]) -> Result<usize> {
    let mut descriptors = Vec::new();
    for item in &mut *items {
        match &item.subject {
            Subject::Socket(socket) => item.found = socket.events()? & item.events,
            Subject::Descriptor(_) => descriptors.push(item.polled()),
        }
    }
    if !descriptors.is_empty() {
        poll(&mut descriptors, Deadline::Now)?;
    }
    let mut descriptors = descriptors.into_iter();
    for item in &mut *items {
        if matches!(item.subject, Subject::Descriptor(_)) {
            let revents = descriptors.next().map_or(0, |polled| polled.revents);
            item.found = found(revents);
        }
    }
    Ok(items.iter().filter(|item| item.found != 0).count())
}

impl Item {
    /// Looks out for a moment for what it waits for, if that is one thing; false if there was nothing.
    fn looks_out(&self) -> bool {
        match (&self.subject, self.events) {
            (Subject::Socket(socket), POLLIN) => socket.look_out(Way::In),
            (Subject::Socket(socket), POLLOUT) => socket.look_out(Way::Out),
            (Subject::Socket(_) | Subject::Descriptor(_), _) => false,
        }
    }

    /// What the system is asked while it is waited for.
    fn polled(&self) -> libc::pollfd {
        match &self.subject {
            Subject::Socket(socket) => readable(socket.fd()),
            Subject::Descriptor(fd) => {
                let wanted = |ours: i16, theirs: i16| {
                    if self.events & ours == 0 { 0 } else { theirs }
                };
                libc::pollfd {
                    fd: *fd,
                    events: wanted(POLLIN, libc::POLLIN)
                        | wanted(POLLOUT, libc::POLLOUT)
                        | wanted(POLLPRI, libc::POLLPRI),
                    revents: 0,
                }
            }
        }
    }
}

/// The events of the interface, of those of the system.
const fn found(revents: i16) -> i16 {
    let mut found = 0;
    if revents & libc::POLLIN != 0 {
        found |= POLLIN;
    }
    if revents & libc::POLLOUT != 0 {
        found |= POLLOUT;
    }
    if revents & libc::POLLPRI != 0 {
        found |= POLLPRI;
    }
    if revents & !(libc::POLLIN | libc::POLLOUT | libc::POLLPRI) != 0 {
        found |= POLLERR;
    }
    found
}
