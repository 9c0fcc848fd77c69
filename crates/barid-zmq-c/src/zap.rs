//! Asking the program's own handler, a REP or ROUTER at `inproc://zeromq.zap.01`, whether a peer is let in. 27/ZAP.

use barid_zmq::zap::{ZapRequest, request_frames};
use barid_zmq::{
    Applicant, Authenticator, Context, Decision, Frame, Message, Req, StatusCode, Verdict,
};
use bytes::Bytes;

const NAME: &str = "zeromq.zap.01";
const ENDPOINT: &str = "inproc://zeromq.zap.01";
/// A peer is asked about once: the number tells nothing apart.
const REQUEST_ID: &[u8] = b"1";

/// How a socket and its peers know each other, by libzmq's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Mechanism {
    Null = 0,
    Plain = 1,
    Curve = 2,
}

/// Asks for one socket.
pub(crate) struct Zap {
    pub(crate) context: Context,
    /// Without a handler nobody is let in; otherwise everybody is.
    pub(crate) needs_handler: bool,
    pub(crate) domain: Vec<u8>,
    pub(crate) identity: Bytes,
}

impl Authenticator for Zap {
    fn authenticate(&self, applicant: &Applicant<'_>) -> Decision {
        if !self.context.is_bound(NAME) {
            return Decision::Now(if self.needs_handler {
                Verdict::Failure(StatusCode::InternalError)
            } else {
                Verdict::SUCCESS
            });
        }
        let request = ZapRequest {
            request_id: REQUEST_ID,
            domain: &self.domain,
            address: applicant.address.as_bytes(),
            identity: &self.identity,
        };
        let frames = request_frames(&request, &applicant.credentials);
        let message: Message = frames.into_iter().map(Frame::copy_from).collect();
        let context = self.context.clone();
        Decision::Later(Box::pin(async move {
            let verdict = ask(&context, message).await;
            verdict.unwrap_or(Verdict::Failure(StatusCode::InternalError))
        }))
    }
}

/// None if there is no answer, or none that can be read.
async fn ask(context: &Context, request: Message) -> Option<Verdict> {
    let req = Req::new(context);
    req.connect(ENDPOINT).ok()?;
    req.send(request).await.ok()?;
    let reply = req.recv().await.ok()?;
    let frames: Vec<&[u8]> = reply.frames().iter().map(Frame::as_slice).collect();
    Verdict::read(&frames, REQUEST_ID).ok()
}
