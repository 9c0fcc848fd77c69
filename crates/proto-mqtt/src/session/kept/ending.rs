//! What the broker has answered to a session that outlives its connection, and what becomes of it at its end.

use super::commits::Outcome;
use super::expires_ms;
use crate::session::Link;
use crate::session::ending::Ending;
use crate::session::open::Open;
use broker_api::{Bequest, Command, Out, Refusal};
use model::CommandId;

impl Open {
    /// The broker has answered; none if it was asked for none of these.
    pub(in crate::session) fn handle_kept_done(
        &mut self,
        link: &mut Link,
        id: CommandId,
        refused: Option<&Refusal>,
        out: &mut Out,
    ) -> Option<Result<(), Ending>> {
        let kept = self.kept.as_mut()?;
        if let Some(then) = kept.noting.take(id) {
            // What is not noted must not be said: the exchange goes on with the next connection.
            if let Some(refusal) = refused {
                return Some(Err(Ending::Refused(refusal.clone())));
            }
            self.handle_noted(link, then, out);
            return Some(Ok(()));
        }
        let confirms = &mut self.confirms;
        let done = (id, refused);
        match kept
            .commits
            .handle_done(link, kept.subscription, done, confirms, out)
        {
            Outcome::Unknown => None,
            Outcome::Split => Some(Ok(())),
            Outcome::Answered(reason) => {
                // 3.x cannot say it, and must not say the opposite: there is no answer.
                if let Some(refusal) = refused.filter(|_| !self.version.has_properties()) {
                    return Some(Err(Ending::PublishRefused(refusal.clone())));
                }
                self.handle_published(id, reason, out);
                self.flush_commit(link, out);
                self.release_barrier(out);
                Some(Ok(()))
            }
        }
    }

    /// DISCONNECT: for how long the session is kept from now on, and whether its will is taken back.
    /// [MQTT-3.14.4-3], §3.14.2.2.2
    pub(in crate::session) fn bequeath_at_end(
        &mut self,
        link: &mut Link,
        is_normal: bool,
        expiry: Option<u32>,
        out: &mut Out,
    ) {
        let Some(kept) = &mut self.kept else { return };
        let expiry = expiry.map(|it| it.min(link.limits.session_expiry_seconds_max));
        let takes_will_back = is_normal && kept.will.is_some();
        if !takes_will_back && expiry.is_none_or(|expiry| expiry == kept.expiry) {
            return;
        }
        if is_normal {
            kept.will = None;
        }
        kept.expiry = expiry.unwrap_or(kept.expiry);
        let bequest = Bequest {
            subscription: kept.subscription,
            expires_ms: expires_ms(kept.expiry),
            will: kept.will.clone(),
        };
        link.submit(out, Command::Bequeath(Box::new(bequest)));
    }
}
