//! Where messages go and when, by pika.

use anyhow::Result;
use interop::{ClientKind, Stage};

macro_rules! cases {
    ($($case:ident,)*) => {
        $(
            #[test]
            fn $case() -> Result<()> {
                Stage::new()?.run(ClientKind::Pika, concat!("routing.", stringify!($case)), "0-9-1")
            }
        )*
    };
}

cases! {
    copies_go_by_further_keys,
    dead_letters_go_by_all_keys_or_by_one,
    what_goes_nowhere_is_returned_with_the_commit,
    delayed_messages_come_later,
    hashed_messages_are_spread,
    random_exchanges_choose_one,
    alternates_get_what_nobody_gets,
    exchanges_are_for_exchanges,
    what_is_used_is_not_deleted,
}

#[test]
fn what_is_delayed_survives_a_kill() -> Result<()> {
    let mut stage = Stage::new()?;
    stage.run(
        ClientKind::Pika,
        "routing.a_message_is_delayed_for_long",
        "0-9-1",
    )?;
    stage.broker.kill()?;
    stage.broker.restart()?;
    stage.run(
        ClientKind::Pika,
        "routing.a_message_is_delayed_still",
        "0-9-1",
    )
}
