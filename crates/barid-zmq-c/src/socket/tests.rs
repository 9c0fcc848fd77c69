use super::*;
use crate::handle::Handle;
use std::ffi::c_void;
use std::thread;

fn open(context: &Arc<Context>, number: i32) -> *mut c_void {
    Handle::give(context.open(number).unwrap())
}

fn receive(pointer: *mut c_void, flags: i32) -> Result<Message> {
    let mut message = Message::new();
    // SAFETY: it is a handle.
    let held = unsafe { Handle::enter(pointer) }.ok_or(Errno::ENOTSOCK)?;
    Socket::receive(held, &mut message, None, flags)?;
    Ok(message)
}

fn send(pointer: *mut c_void, message: &mut Message, flags: i32) -> Result<()> {
    // SAFETY: it is a handle.
    let held = unsafe { Handle::enter(pointer) }.ok_or(Errno::ENOTSOCK)?;
    Socket::send(held, message, flags)
}

#[test]
fn what_is_not_sent_stays_and_what_is_closed_is_an_error() {
    let context = Arc::new(Context::new().unwrap());
    let (push, pull) = (open(&context, kind::PUSH), open(&context, kind::PULL));
    let mut message = Message::from("kept");
    assert_eq!(send(push, &mut message, DONTWAIT), Err(Errno::EAGAIN));
    assert_eq!(message, Message::from("kept"));
    assert_eq!(send(pull, &mut message, DONTWAIT), Err(Errno::ENOTSUP));
    assert_eq!(receive(push, DONTWAIT), Err(Errno::ENOTSUP));
    assert_eq!(receive(pull, DONTWAIT), Err(Errno::EAGAIN));
    let address = pull.expose_provenance();
    let waiting = thread::spawn(move || {
        let pull = std::ptr::with_exposed_provenance_mut(address);
        std::iter::repeat_with(|| receive(pull, 0).err()).find(Option::is_some)
    });
    for pointer in [push, pull] {
        // SAFETY: it is a handle.
        let socket: Option<Arc<Socket>> = unsafe { Handle::take(pointer) };
        context.close(&socket.unwrap());
        assert_eq!(receive(pointer, 0), Err(Errno::ENOTSOCK));
        assert_eq!(send(pointer, &mut message, 0), Err(Errno::ENOTSOCK));
    }
    let ended = waiting.join().unwrap().flatten();
    assert!(
        matches!(ended, Some(Errno::ETERM | Errno::ENOTSOCK)),
        "{ended:?}"
    );
    context.terminate().unwrap();
}
