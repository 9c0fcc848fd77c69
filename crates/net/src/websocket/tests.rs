//! placeholder
use super::*;
pub(super) fn rules() -> WebSocketRules {
    WebSocketRules {
        paths: &["/", "/ws"],
        subprotocols: &["v2.lines", "v1.lines"],
        frame_bytes: |_| None,
        message_bytes_max: 1000,
    }
}
