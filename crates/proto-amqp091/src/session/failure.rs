//! What ends a channel or the connection.

use crate::violation::DecodeError;
use crate::{MethodId, ReplyCode, ShortStr, refusal};
use broker_api::Refusal;

/// What ends a channel, if the code is soft, or the connection.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(super) code: ReplyCode,
    /// Begins with the code's name.
    text: String,
    /// What the client asked, if it is about that.
    pub(super) method: MethodId,
}

impl Failure {
    pub(crate) fn new(code: ReplyCode, method: MethodId, text: impl std::fmt::Display) -> Self {
        Self {
            code,
            text: format!("{} - {text}", code.name()),
            method,
        }
    }

    pub(super) fn refused(refusal: &Refusal, method: MethodId) -> Self {
        let code = refusal::reply_code(refusal);
        Self::new(code, method, refusal::text(refusal))
    }

    /// What the session does not do.
    pub(super) fn not_implemented(method: MethodId) -> Self {
        let text = format!("{method} is not implemented");
        Self::new(ReplyCode::NotImplemented, method, text)
    }

    /// The broker answered what was not asked.
    pub(super) fn internal(method: MethodId) -> Self {
        let text = "the broker's answer is of another kind";
        Self::new(ReplyCode::InternalError, method, text)
    }

    pub(super) fn text(&self) -> ShortStr<'_> {
        ShortStr::cut(&self.text)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::new(error.reply_code(), error.method, &error.problem)
    }
}
