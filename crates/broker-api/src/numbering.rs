//! The ids of a session's commands.

use crate::{Command, Out, Submission};
use model::{CommandId, ConversationId};

/// Gives each command of a session its id: 1, 2, and so on, in the order in which they are sent.
///
/// Owned by one session, for as long as its connection lasts.
#[derive(Debug, Default)]
pub struct Numbering {
    /// The one that was given last.
    last: u64,
}

impl Numbering {
    /// An id for what the broker is not asked, and its answer is told as if it were.
    #[inline]
    pub fn skip(&mut self) -> CommandId {
        self.last += 1;
        CommandId(self.last)
    }

    /// A command with its id, to be sent before any other gets one.
    #[inline]
    pub fn next(&mut self, conversation: ConversationId, command: Command) -> Submission {
        Submission {
            id: self.skip(),
            conversation,
            command,
        }
    }

    /// Sends a command.
    #[inline]
    pub fn submit(
        &mut self,
        out: &mut Out,
        conversation: ConversationId,
        command: Command,
    ) -> CommandId {
        let submission = self.next(conversation, command);
        let id = submission.id;
        out.submit(submission);
        id
    }

    /// Sends a command whose answer the input behind it needs.
    pub fn barrier(
        &mut self,
        out: &mut Out,
        conversation: ConversationId,
        command: Command,
    ) -> CommandId {
        let submission = self.next(conversation, command);
        let id = submission.id;
        out.barrier(submission);
        id
    }
}
