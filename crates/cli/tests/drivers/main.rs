//! Real clients, a real PostgreSQL, the built `countersign`: what people and agents see.
//!
//! Every driver plays the same scenarios (`scenario`) through the programs in `tests/clients/`; psql and
//! pgbench have their own. `transparent` compares the gateway with the server itself, `raw` byte by byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod dump;
mod frameworks;
mod pgbench;
mod psql;
mod raw;
mod scenario;
mod stage;
mod transparent;

use countersign_testkit::ClientKind;

/// Each scenario as a test of each driver.
macro_rules! scenarios {
    ($($scenario:ident),* $(,)?) => {
        scenarios!(@driver psycopg Psycopg $($scenario)*);
        scenarios!(@driver asyncpg Asyncpg $($scenario)*);
        scenarios!(@driver node_postgres Node $($scenario)*);
        scenarios!(@driver jdbc Jdbc $($scenario)*);
    };
    (@driver $driver:ident $kind:ident $($scenario:ident)*) => {
        mod $driver {
            $(#[test] fn $scenario() { crate::scenario::$scenario(crate::ClientKind::$kind); })*

            #[test]
            fn ordinary_work_is_the_same_through_an_allowing_gateway() {
                crate::transparent::ordinary_work(crate::ClientKind::$kind);
            }
        }
    };
}

scenarios!(
    reads_run_at_once_and_come_back_masked,
    i6_masked_values_leave_by_no_other_way,
    a_blocked_statement_is_refused_and_not_run,
    i1_once_an_approved_write_runs_once_and_the_next_one_asks_again,
    i3_no_means_no_for_a_denied_write,
    i3_no_means_no_for_an_expired_write,
    a_long_wait_becomes_a_ticket_and_the_same_bytes_redeem_it,
    i2_same_a_ticket_does_not_redeem_other_bytes,
    a_cancel_while_held_withdraws_the_request,
    a_client_that_leaves_while_held_keeps_its_approval,
    a_held_copy_in_runs_when_approved,
    a_hold_inside_a_transaction_keeps_the_transaction,
    each_run_of_a_prepared_write_is_asked_for,
    a_batch_of_writes_is_asked_for_and_runs,
    what_is_too_large_to_judge_is_refused_not_passed_on_unread,
    a_wrong_token_is_refused,
);
