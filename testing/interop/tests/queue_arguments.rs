//! Queue arguments, and policies beside them, as pika asks for them.

use anyhow::Result;
use interop::{ClientKind, Stage};

fn run(stage: &Stage, case: &str) -> Result<()> {
    let case = format!("queue_arguments.{case}");
    stage.run(ClientKind::Pika, &case, "0-9-1")
}

macro_rules! cases {
    ($($case:ident,)*) => {
        $(
            #[test]
            fn $case() -> Result<()> {
                run(&Stage::new()?, stringify!($case))
            }
        )*
    };
}

cases! {
    messages_expire,
    messages_that_nobody_takes_at_once_expire,
    wrong_expirations_are_refused,
    queues_expire,
    full_queues_drop_their_heads,
    queues_of_no_length_hold_nothing,
    full_queues_refuse,
    what_full_queues_refuse_may_be_dead_lettered,
    priorities_are_kept_apart,
    one_consumer_is_active,
    failed_deliveries_are_limited,
    there_may_be_no_limit,
    dead_letters_go_where_the_queue_says,
    a_dead_letter_exchange_need_not_be_there,
    types_are_told_apart,
    quorum_queues_are_for_what_is_kept,
    types_have_arguments_of_their_own,
    some_arguments_have_no_effect,
    wrong_values_are_refused,
    other_arguments_are_another_queue,
}

const POLICIES: &str = r#"
[[policy]]
name = "short"
pattern = "short$"
definition = { max-length = 2, dead-letter-exchange = "", dead-letter-routing-key = "dead" }

[[operator-policy]]
name = "limits"
pattern = ""
apply-to = "queues"
definition = { max-length = 3 }
"#;

#[test]
fn policies_hold() -> Result<()> {
    run(&Stage::with_settings(POLICIES)?, "policies_hold")
}
