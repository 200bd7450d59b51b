//! The ledger's promises, kept by every kind of ledger: the same tests run on SQLite and on PostgreSQL.

mod leases;
mod machine;
mod races;
pub(in crate::ledger) mod server;
pub(in crate::ledger) mod site;
mod walks;

/// Runs each test on both kinds.
macro_rules! on_both {
    ($($module:ident::$test:ident as $name:ident),* $(,)?) => {
        mod on_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$module::$test(super::site::Site::sqlite()).await;
                }
            )*
        }

        mod on_postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    if let Some(site) = super::site::Site::postgres().await {
                        super::$module::$test(site).await;
                    }
                }
            )*
        }
    };
}

on_both! {
    walks::accepted_once as a_job_is_accepted_once_and_walks_to_its_end,
    walks::newest_version as the_newest_version_of_a_report_supersedes_the_older_ones,
    walks::again as a_failed_job_is_analysed_again_and_a_job_that_kills_is_poison,
    walks::undelivered as a_report_that_failed_only_in_delivery_is_delivered_with_the_same_bytes,
    walks::retry_and_cancel as what_waits_can_be_cancelled_and_what_failed_retried,
    walks::held as a_held_report_waits_for_a_person_or_its_time,
    walks::held_replaced as a_held_version_is_replaced_or_cancelled,
    walks::withdrawn as a_withdrawn_version_is_replaced_once_and_never_comes_back,
    walks::widened as a_report_goes_to_where_it_is_asked_for_later,
    walks::redelivery_cancelled as a_delivered_report_stays_when_its_way_to_more_places_is_cancelled,
    walks::audit as the_audit_trail_says_what_happened,
    walks::looks as jobs_are_listed_found_and_counted,
    walks::starts as starts_of_a_message_are_counted_until_it_is_settled,
    walks::reachable as an_open_ledger_is_reachable,
    leases::killed as a_killed_workers_jobs_are_free_at_once_with_what_it_stored,
    leases::overstayed as a_lease_that_ran_out_is_lost_and_writes_nothing_afterwards,
    leases::living as a_living_worker_keeps_its_lease,
    leases::renewed as a_lease_is_renewed_while_its_job_is_in_hand,
    leases::turns as stat_overtakes_and_the_oldest_comes_first,
    leases::stored as only_what_is_stored_is_taken_while_intake_pauses,
    leases::deferred as a_deferred_job_rests_but_can_be_asked_for,
    leases::released as a_released_job_was_not_started,
    leases::clock_set_back as a_rest_that_begins_in_the_future_is_over,
    leases::one_writer as a_report_has_one_writer,
    races::same_job as a_job_offered_by_many_at_once_is_accepted_once,
    races::each_once as many_workers_lease_each_job_once,
    races::versions as of_many_versions_one_is_under_way,
}

#[test]
fn any_sequence_of_operations_keeps_the_promises_on_sqlite() {
    machine::run(32, async { Some(site::Site::sqlite()) });
}

#[test]
fn any_sequence_of_operations_keeps_the_promises_on_postgres() {
    machine::run(6, site::Site::postgres());
}
