//! Any split of the input gives the same output.

use crate::scripted_broker::{Driven, message};
use model::SubscriptionId;
use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use proptest::sample::Index;
use std::collections::BTreeMap;

/// One client's connection with everything that it may send.
const CONVERSATION: &[u8] =
    b"\n\r\nCONNECT\r\naccept-version:1.0,1.1,1.2\r\nhost:h\r\nheart-beat:0,0\r\n\r\n\0\n\
    SEND\ndestination:/queue/a\nreceipt:r1\nf:\\c\\n\\r\\\\\n\nfirst\0\
    SUBSCRIBE\nid:q\ndestination:/queue/a\nack:client\nprefetch-count:3\nreceipt:r2\n\n\0\n\n\
    SUBSCRIBE\nid:t\ndestination:/topic/x.*\nack:client-individual\nprefetch-count:2\n\n\0\
    SEND\r\ndestination:/topic/x.y\r\npersistent:true\r\ncontent-length:4\r\n\r\n\0\n\0\r\0\r\n\
    ACK\nid:7-1-2\n\n\0NACK\nid:7-1-3\nreceipt:r3\n\n\0ACK\nid:7-2-1\n\n\0ACK\nid:7-2-3\n\n\0\
    SEND\ndestination:/queue/b\ncontent-length:0\n\n\0\
    BEGIN\ntransaction:x\n\n\0SEND\ntransaction:x\ndestination:queue://c,topic://d\n\nin x\0\
    SUBSCRIBE\nid:l\ndestination:queue://a,e,topic://x.>\nack:client\nprefetch-count:5\nreceipt:r6\n\n\0\
    ACK\nid:7-3-4\ntransaction:x\nreceipt:r7\n\n\0BEGIN\ntransaction:y\n\n\0\
    NACK\nid:7-3-7\ntransaction:y\n\n\0COMMIT\ntransaction:x\nreceipt:r8\n\n\0\
    ABORT\ntransaction:y\nreceipt:r9\n\n\0ACK\nid:7-3-9\nreceipt:r10\n\n\0\
    SEND\ndestination:/exchange/x/k\nreply-to:/temp-queue/r\n\nask\0\
    SEND\ndestination:a,temp-queue://t\nreply-to:temp-topic://t\nreceipt:r11\n\nask\0\
    SUBSCRIBE\nid:d\ndestination:/topic/x\ndurable:true\nx-message-ttl:5\nreceipt:r12\n\n\0\
    UNSUBSCRIBE\nid:d\ndurable:true\nreceipt:r13\n\n\0\
    SUBSCRIBE\nid:b\ndestination:/queue/a\nbrowser:true\n\n\0UNSUBSCRIBE\nid:l\n\n\0\
    NACK\nid:7-2-2\nrequeue:false\n\n\0UNSUBSCRIBE\nid:t\nreceipt:r4\n\n\0\
    DISCONNECT\nreceipt:r5\n\n\0garbage behind the end";

type Outcome = (String, Vec<String>, BTreeMap<SubscriptionId, u64>, bool);

fn outcome(input: &[u8], mut cuts: Vec<usize>) -> Outcome {
    let mut driven = Driven::new();
    driven.ready = (0..3).map(|_| message("f:1\n", "x")).collect();
    cuts.push(input.len());
    cuts.sort_unstable();
    let mut at = 0;
    for cut in cuts {
        driven.feed(&input[at..cut]);
        at = cut;
    }
    driven.answer_all();
    (
        String::from_utf8_lossy(&driven.wire).into_owned(),
        driven.log,
        driven.granted,
        driven.out.is_closing(),
    )
}

#[test]
fn byte_by_byte_is_as_good_as_whole() {
    let whole = outcome(CONVERSATION, Vec::new());
    let text = &whole.0;
    assert!(!text.contains("ERROR"), "{text}");
    assert!(text.ends_with("RECEIPT\nreceipt-id:r5\n\n\0"), "{text}");
    assert_eq!(
        whole,
        outcome(CONVERSATION, (0..CONVERSATION.len()).collect())
    );
}

proptest! {
    #[test]
    fn any_split_gives_the_same(cuts in vec(0..CONVERSATION.len(), 0..20)) {
        assert_eq!(outcome(CONVERSATION, Vec::new()), outcome(CONVERSATION, cuts));
    }

    /// Also where the client errs.
    #[test]
    fn any_split_of_a_damaged_conversation_gives_the_same(
        damages in vec((any::<Index>(), any::<u8>(), 0_u8..3), 1..4),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let input = damaged(CONVERSATION, &damages);
        let cuts = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
        assert_eq!(outcome(&input, Vec::new()), outcome(&input, cuts));
    }
}

/// Some bytes changed, inserted or removed.
pub(crate) fn damaged(input: &[u8], damages: &[(Index, u8, u8)]) -> Vec<u8> {
    let mut input = input.to_vec();
    for (at, octet, kind) in damages {
        let at = at.index(input.len());
        match kind {
            0 => input[at] = *octet,
            1 => input.insert(at, *octet),
            _ => {
                input.remove(at);
            }
        }
    }
    input
}

pub(crate) fn conversation() -> &'static [u8] {
    CONVERSATION
}
