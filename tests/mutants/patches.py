"""One patch for each mechanism that a promise rests on, and the test that must turn red under it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Patch:
    mechanism: str
    path: str
    old: str
    """Stands exactly once in the file."""
    new: str
    test: str
    """The id of the test for pytest."""


CLAIMS = "tests/work/test_claims.py"
BREAKER = "tests/work/test_breaker.py"
BELL = "tests/work/test_bell.py"
DELIVERING = "tests/reminders/test_delivering.py"
LOST_ANSWERS = "tests/reminders/test_lost_answers.py"
SETTLING = "tests/reminders/test_settling.py"
PLANNING = "tests/reminders/test_planning.py"
REARMING = "tests/reminders/test_rearming.py"
COMING_BACK = "tests/reminders/test_who_comes_back.py"
SWEEP = "tests/reminders/test_sweep.py"
CANARY = "tests/reminders/test_canary.py"
WAKE = "tests/reminders/test_wake.py"
DELETION = "tests/reminders/test_user_deletion.py"
LANGUAGE = "tests/reminders/test_language.py"
HEALTH = "tests/config/test_health.py"
HOSTS = "tests/config/test_database_hosts.py"
SCHEDULES = "tests/schedules"
FILES = "tests/attachments"
ZONES = "tests/config/test_time_zones.py"
WEBSERVER = "tests/webserver"
COUNTS = "tests/config/test_counts.py"
STATES = "tests/config/test_database_states.py"
FULL_DISK = f"{FILES}/test_full_disk.py"
MEANT = "tests/taskapp/test_what_was_meant.py"
ZONE_RULES = "tests/reminders/test_zone_rules.py"
ROUND_TRIPS = "tests/taskapp/test_round_trips.py"
HEADERS = "tests/reminders/channels/test_headers.py"
INTERNATIONAL = "tests/reminders/channels/test_international.py"

SLOW = "tests/reminders/test_slow_mail_server.py"
BLAME = "tests/reminders/test_blame.py"

PATCHES = [
    # Leases and fencing
    Patch(
        "the token guards every settle", "work/claims.py",
        "filter(pk=pk, status=Leased.LEASED, lease_token=holder.token)", "filter(pk=pk, status=Leased.LEASED)",
        f"{CLAIMS}::test_only_the_holder_can_end_a_claim",
    ),
    Patch(
        "the token guards the renewal", "reminders/last_check.py",
        "IS NOT DISTINCT FROM 'leased' AND delivery.lease_token = %(token)s", "IS NOT DISTINCT FROM 'leased'",
        f"{DELIVERING}::test_a_run_that_slept_through_its_lease_leaves_the_row_to_the_one_that_has_it_now",
    ),
    Patch(
        "the renewal prolongs the lease", "reminders/last_check.py",
        "SET lease_until = clock_timestamp() + %(lease)s,\n        handing_over",
        "SET lease_until = delivery.lease_until,\n        handing_over",
        f"{DELIVERING}::test_each_message_has_the_whole_lease_from_its_last_check_on",
    ),
    Patch(
        "the token guards the end of what was accepted", "reminders/last_check.py",
        "WHERE id = %(accepted)s AND status IS NOT DISTINCT FROM 'leased' AND lease_token = %(token)s",
        "WHERE id = %(accepted)s",
        f"{SETTLING}::test_one_whose_lease_was_lost_is_not_settled_and_the_next_is_left_to_a_check_of_its_own",
    ),
    Patch(
        "nobody is waited for while a row is locked", "reminders/last_check.py",
        "FOR NO KEY UPDATE OF own SKIP LOCKED", "FOR NO KEY UPDATE OF own",
        f"{SETTLING}::test_a_row_that_somebody_holds_is_not_waited_for_while_the_first_is_locked",
    ),
    Patch(
        "a check looks up its own row", "reminders/last_check.py",
        "AND delivery.status IS NOT DISTINCT FROM 'leased'", "AND delivery.status = 'leased'",
        f"{SETTLING}::test_one_row_is_looked_up_and_not_all_that_is_leased",
    ),
    Patch(
        "the last of a batch is written down", "reminders/delivering.py",
        "        finally:\n            self.settle()\n            if waiting",
        "        finally:\n            self.unsettled = None\n            if waiting",
        f"{SETTLING}::test_the_last_of_a_batch_is_written_down_whatever_ends_it",
    ),
    Patch(
        "each is written down before the next is sent", "reminders/delivering.py",
        "        accepted = self.unsettled\n", "        accepted = self.unsettled = None\n",
        f"{SETTLING}::test_at_most_one_message_of_a_connection_is_accepted_and_not_written_down",
    ),
    Patch(
        "who claims at once shares the rows", "work/claims.py",
        "ORDER BY not_before, id LIMIT %(limit)s - (SELECT count(*) FROM fair)\n        FOR NO KEY UPDATE SKIP LOCKED",
        "ORDER BY not_before, id LIMIT %(limit)s - (SELECT count(*) FROM fair)",
        f"{CLAIMS}::test_many_who_claim_at_once_share_the_rows_without_overlap",
    ),
    Patch(
        "expired leases are rescued", "work/claims.py",
        "WHERE status = 'leased' AND lease_until < statement_timestamp()\n", "WHERE FALSE\n",
        f"{CLAIMS}::test_an_expired_lease_is_rescued_and_a_running_one_is_not",
    ),
    Patch(
        "rows of a lost run go alone", "work/claims.py",
        "alone = TRUE, {NO_LEASE}", "{NO_LEASE}",
        f"{CLAIMS}::test_a_row_of_a_lost_run_goes_alone",
    ),
    Patch(
        "a row that is lost alone spends an attempt", "work/claims.py",
        "attempts = attempts + alone::int,", "attempts = attempts,",
        f"{CLAIMS}::test_a_row_that_is_lost_alone_spends_an_attempt_each_time_and_fails_with_the_last",
    ),
    Patch(
        "what was not begun is handed back", "reminders/delivering.py",
        "        if waiting:\n", "        if False:\n",
        f"{DELIVERING}::test_a_way_that_does_not_work_costs_no_attempt_and_parks_the_rest",
    ),
    Patch(
        "a clock that is set back holds no lease for long", "work/claims.py",
        "WHERE status = 'leased' AND lease_until > (SELECT clock_timestamp()) + %(lease)s;", "WHERE FALSE;",
        f"{CLAIMS}::test_a_clock_that_is_set_back_holds_no_row_for_longer_than_a_lease_or_a_wait",
    ),
    # Right at send time
    Patch(
        "the last check sees that the task is done", "reminders/last_check.py",
        "WHEN task.status = 'done' AND reminder.id IS NOT NULL THEN 'the task was done'", "WHEN FALSE THEN ''",
        f"{DELIVERING}::test_a_change_between_claim_and_check_is_not_announced",
    ),
    Patch(
        "suppressing checks again under the task's lock", "reminders/last_check.py",
        "        if not again.why:\n            return False\n", "",
        f"{DELIVERING}::test_a_task_reopened_between_check_and_suppression_is_announced",
    ),
    Patch(
        "a process that was frozen does not send the dot", "reminders/channels/smtp.py",
        "if monotonic() >= lease.hand_over_until:", "if False:",
        f"{DELIVERING}::test_a_process_that_wakes_up_too_late_does_not_send_the_dot",
    ),
    Patch(
        "a check that waited for a lock is made again",
        "reminders/last_check.py",
        "LONG_AGO_SECONDS = 1.0",
        "LONG_AGO_SECONDS = 25.0",
        f"{DELIVERING}::test_a_check_that_waited_for_a_lock_is_made_again",
    ),
    # The unknown outcome
    Patch(
        "a lost answer is marked", "reminders/channels/smtp.py",
        "            stage.unknown = True\n", "",
        f"{DELIVERING}::test_an_answer_that_never_came_marks_the_outcome_unknown_and_repeats_the_same_message",
    ),
    Patch(
        "a lost worker is marked, if it was handing over", "reminders/sweep.py",
        "unknown_outcome = unknown_outcome OR handing_over", "unknown_outcome = unknown_outcome",
        f"{DELIVERING}::test_a_lease_that_ran_out_while_the_message_was_on_its_way_leaves_the_outcome_unknown",
    ),
    Patch(
        "what was accepted is written down over a new connection", "work/insisting.py",
        "if connection.in_atomic_block or", "if True or",
        f"{LOST_ANSWERS}::test_a_message_that_was_accepted_is_sent_once",
    ),
    Patch(
        "a session that ends costs the next message nothing", "reminders/delivering.py",
        "    except DATABASE_AWAY:\n", "    except ZeroDivisionError:\n",
        f"{LOST_ANSWERS}::test_a_run_goes_on_with_the_next_message",
    ),
    Patch(
        "what was not begun is handed back over a new connection", "reminders/delivering.py",
        'insist(lambda: hand_back(Delivery, rest, holder, "handed back", handing_over=False), until=until)',
        'hand_back(Delivery, rest, holder, "handed back", handing_over=False)',
        f"{LOST_ANSWERS}::test_what_was_not_begun_is_handed_back",
    ),
    Patch(
        "the content is frozen", "reminders/last_check.py",
        "content = CASE WHEN delivery.unknown_outcome THEN delivery.content ELSE checked.content END",
        "content = checked.content",
        f"{DELIVERING}::test_an_answer_that_never_came_marks_the_outcome_unknown_and_repeats_the_same_message",
    ),
    # Planning and re-arming
    Patch(
        "planning deletes what it has read", "reminders/planning.py",
        "USING waiting WHERE reminders_taskchange.id = waiting.id", "USING waiting WHERE TRUE",
        f"{PLANNING}::test_planning_deletes_only_the_changes_that_it_read",
    ),
    # Who comes back
    Patch(
        "whoever suppresses appends a change", "reminders/last_check.py",
        "        TaskChange.objects.create(task_id=locked.pk, due_at=locked.due_at)\n", "",
        f"{COMING_BACK}::test_who_comes_back_between_the_second_check_and_its_write_is_told",
    ),
    Patch(
        "who can be reached again is seen", "reminders/migrations/0009_who_comes_back.py",
        "SELECT id FROM new_accounts WHERE is_active AND email <> ''", "SELECT id FROM new_accounts WHERE FALSE",
        f"{COMING_BACK}::test_an_activation_is_seen_whoever_makes_it",
    ),
    Patch(
        "what its recipient cannot be told rests", "reminders/planning.py",
        "AND why_not IS NULL AND NOT (is_unreached AND is_overdue)", "AND NOT (is_unreached AND is_overdue)",
        f"{COMING_BACK}::test_a_reminder_comes_back_when_its_reason_has_gone_and_rests_until_then",
    ),
    Patch(
        "what was told last rests", "reminders/planning.py",
        "          AND (reminder.round = 1 OR reminder.due_at IS DISTINCT FROM {TOLD_LAST_BY_OTHERS})\n", "",
        f"{COMING_BACK}::test_what_was_told_last_rests_until_another_date_is_told",
    ),
    Patch(
        "what is long overdue is not announced any more", "reminders/planning.py",
        "reminder.due_at < reminder.set_at - %(told_until)s AS is_overdue", "FALSE AS is_overdue",
        f"{COMING_BACK}::test_what_has_been_overdue_for_longer_ends_and_says_so",
    ),
    Patch(
        "what is queued again and suppressed again waits", "reminders/planning.py",
        "SELECT max(least((entry->>'at')::timestamptz, clock_timestamp())) + %(quiet)s", "SELECT NULL::timestamptz",
        f"{COMING_BACK}::test_a_delivery_that_is_queued_again_and_suppressed_again_within_ten_seconds_waits",
    ),
    Patch(
        "people are served in shares", "reminders/returning.py",
        "greatest(%(limit)s / greatest(count(*), 1), 1) AS size", "%(limit)s / 1 + 0 * count(*) AS size",
        f"{COMING_BACK}::test_who_has_little_does_not_wait_behind_another_who_has_much",
    ),
    Patch(
        "a person's turn is one", "reminders/returning.py",
        "WHERE place = 1 ORDER BY id LIMIT", "ORDER BY id LIMIT",
        f"{COMING_BACK}::test_who_switches_mail_on_ten_thousand_times_has_one_turn",
    ),
    Patch(
        "changes of a person that another covers go", "reminders/returning.py",
        "ranked.covered_after <= ranked.after_delivery_id", "FALSE",
        f"{COMING_BACK}::test_who_switches_mail_on_ten_thousand_times_has_one_turn",
    ),
    Patch(
        "a suppressed delivery is queued again", "reminders/planning.py",
        "            WHEN is_suppressed AND (told_at IS NULL OR told_last = due_at) THEN 'queue again'\n", "",
        f"{REARMING}::test_a_task_that_was_suppressed_and_comes_back_is_told",
    ),
    Patch(
        "a date that came back is a new round", "reminders/planning.py",
        "            WHEN NOT is_on_its_way AND told_last <> due_at THEN 'new round'\n",
        "            WHEN FALSE THEN NULL\n",
        f"{REARMING}::test_a_due_date_moved_back_after_the_other_was_told_is_told_in_a_new_round",
    ),
    Patch(
        "an undo says nothing", "reminders/planning.py",
        "NOT is_on_its_way AND told_last <> due_at THEN", "NOT is_on_its_way THEN",
        f"{REARMING}::test_a_move_undone_before_the_other_date_was_told_says_nothing",
    ),
    Patch(
        "a message that waits gets no second one", "reminders/planning.py",
        "WHEN NOT is_on_its_way AND told_last", "WHEN told_last",
        f"{REARMING}::test_a_date_whose_message_still_waits_gets_no_second_one",
    ),
    Patch(
        "of two rounds the later is sent", "reminders/last_check.py",
        "AND later.round > reminder.round)", "AND FALSE)",
        f"{REARMING}::test_a_message_that_was_refused_while_a_new_round_took_its_place_is_not_sent",
    ),
    Patch(
        "a cancelled reminder is revived", "reminders/planning.py",
        "WHEN status = 'cancelled' THEN 'revive'", "WHEN status = 'cancelled' THEN NULL",
        f"{PLANNING}::test_a_task_that_is_reopened_is_planned_again",
    ),
    Patch(
        "what a person cancelled stays so", "reminders/planning.py",
        "WHEN starts_with(reason, '{CANCELLED_BY}') OR is_at_rest THEN NULL", "WHEN FALSE THEN NULL",
        f"{PLANNING}::test_a_reminder_cancelled_by_a_person_stays_cancelled",
    ),
    Patch(
        "quick edits are one message", "reminders/planning.py",
        "QUIET = timedelta(seconds=10)", "QUIET = timedelta(seconds=0)",
        f"{REARMING}::test_edits_within_ten_seconds_of_a_message_are_one_message_when_they_are_over",
    ),
    Patch(
        "an import of the past is not announced", "reminders/planning.py",
        "CASE WHEN was_past THEN 'cancelled' ELSE 'planned' END", "'planned'",
        f"{PLANNING}::test_a_due_date_that_was_past_when_it_was_set_is_not_announced_and_says_why",
    ),
    Patch(
        "what is saved now is planned now",
        "reminders/planning.py",
        "NEWEST = 10",
        "NEWEST = 1000",
        f"{PLANNING}::test_a_task_that_is_saved_now_does_not_wait_behind_an_import",
    ),
    Patch(
        "one plans at a time", "reminders/planning.py",
        "        if cursor.fetchone() != (True,):\n            return counts\n", "",
        f"{DELETION}::test_holding_planning_ends_with_the_transaction",
    ),
    # The transport
    Patch(
        "three failures in a row park", "work/breaker.py",
        "TRIES = 3", "TRIES = 1000",
        f"{BREAKER}::test_the_third_failure_in_a_row_parks_everybody",
    ),
    Patch(
        "one gets the probe", "work/breaker.py",
        "return Admission.PROBE if open_.filter(is_due).update(open_until=until) else Admission.NONE",
        "return Admission.PROBE if open_.filter(is_due).exists() else Admission.NONE",
        f"{BREAKER}::test_of_many_who_ask_at_once_one_gets_the_probe",
    ),
    Patch(
        "a broken way costs no attempt", "reminders/outcomes.py",
        'end(letter, holder, "parked", status=Delivery.QUEUED, reason=str(error))',
        'end(letter, holder, "parked", status=Delivery.QUEUED, reason=str(error), spends_attempt=True)',
        f"{DELIVERING}::test_a_way_that_does_not_work_costs_no_attempt_and_parks_the_rest",
    ),
    Patch(
        "a lease is prolonged while an answer is waited for", "reminders/conversations.py",
        "if self.conversations and now >= self._renew_at:", "if False:",
        f"{SLOW}::test_an_answer_that_takes_longer_than_a_lease_is_waited_for",
    ),
    Patch(
        "others go while one waits", "reminders/delivering.py",
        "if event is None and self.may_open():", "if False:",
        f"{SLOW}::test_the_others_go_while_twenty_wait",
    ),
    Patch(
        "a domain has five", "reminders/delivering.py",
        ">= settings.DELIVERY_SLOW_PER_DOMAIN", ">= 99",
        f"{SLOW}::test_of_one_domain_five_are_waited_for_and_the_others_put_off",
    ),
    Patch(
        "what has waited for its recipient is checked once more", "reminders/outcomes.py",
        "    conversation.answer(may_go=is_as_it_was)", "    conversation.answer(may_go=True)",
        f"{SLOW}::test_a_change_while_the_recipient_was_looked_at_is_not_announced",
    ),
    Patch(
        "a server that answers nobody is named", "reminders/health.py",
        "if unanswered and not", "if False and not",
        f"{SLOW}::test_a_server_that_answers_nobody_is_named",
    ),
    Patch(
        "a stop waits for answers", "reminders/awaiting.py",
        "    attendant.join(seconds)\n", "",
        "tests/e2e/test_slow_mail_server.py::test_a_stop_waits_for_an_answer_that_comes_in_time",
    ),
    Patch(
        "a child that waits is not replaced", "work/recycling.py",
        " and not any(is_busy() for is_busy in _reasons)", "",
        "tests/work/test_recycling.py::test_a_child_that_has_grown_is_replaced_unless_it_is_busy",
    ),
    Patch(
        "connecting has a deadline", "reminders/channels/smtp.py",
        "within=settings.EMAIL_CONNECT_SECONDS)", "within=60)",
        "tests/reminders/channels/test_connecting.py::test_a_resolver_that_says_nothing_costs_the_time_and_no_more",
    ),
    Patch(
        "unknown outcomes are counted", "reminders/outcomes.py",
        "unknown_outcomes=known + 1", "unknown_outcomes=known",
        f"{BLAME}::test_the_last_unknown_outcome_ends_it",
    ),
    Patch(
        "a lost worker counts as an unknown outcome", "reminders/sweep.py",
        "unknown_outcomes = unknown_outcomes + handing_over::int", "unknown_outcomes = unknown_outcomes",
        f"{BLAME}::test_a_lost_worker_counts_like_a_lost_answer",
    ),
    Patch(
        "a probe is rather one that has not arrived", "reminders/delivering.py",
        'only="unknown_outcomes = 0"', 'only=""',
        f"{BLAME}::test_a_probe_is_rather_a_message_that_has_not_arrived_for_certain",
    ),
    Patch(
        "a refusal of us is not the recipient's", "reminders/channels/smtp.py",
        "if fault is not Fault.RECIPIENT:", "if False:",
        f"{BLAME}::test_a_refusal_of_us_costs_no_attempt",
    ),
    Patch(
        "refusals in a row open the circuit", "work/breaker.py",
        "jsonb_array_length(now_refused) >= %(most)s AS many", "FALSE AS many",
        f"{BLAME}::test_a_server_that_refuses_everybody_fails_nobody_and_is_named",
    ),
    Patch(
        "what the first refusals cost is taken back", "reminders/outcomes.py",
        "    queue_again(letter.channel, refusals)\n", "",
        f"{BLAME}::test_a_server_that_refuses_everybody_fails_nobody_and_is_named",
    ),
    Patch(
        "who is refused again while others are accepted is believed", "reminders/outcomes.py",
        "if letter.refused_at is not None and accepted_since(letter, letter.refused_at):", "if False:",
        f"{BLAME}::test_some_who_are_wrong_in_a_row_fail_once_another_was_accepted",
    ),
    Patch(
        "waits end with the outage", "reminders/outcomes.py",
        "    if breaker.close(channel, accepted=True):\n", "    if breaker.close(channel, accepted=True) and False:\n",
        "tests/reminders/test_nights.py::test_after_a_night_everything_goes_with_the_next_probe",
    ),
    Patch(
        "a message that breaks connections bears it", "reminders/outcomes.py",
        "is_its_own = not error.by_reply and letter.broke_at is not None and accepted_since(letter, letter.broke_at)",
        "is_its_own = False",
        f"{DELIVERING}::test_a_message_on_which_connections_break_while_others_get_through_spends_attempts",
    ),
    Patch(
        "a dribbling server meets a total deadline", "reminders/channels/deadline.py",
        "            del self._open[expired]\n            shut(sock)\n", "            del self._open[expired]\n",
        f"{DELIVERING}::test_a_way_that_does_not_work_costs_no_attempt_and_parks_the_rest[dribbling]",
    ),
    Patch(
        "a visit is no sign that messages get through",
        "work/breaker.py",
        "own if is_idle else own.filter(while_carrying=False)", "own",
        f"{CANARY}::test_a_server_that_greets_and_breaks_off_every_message_is_parked_though_visits_go_well",
    ),
    Patch(
        "what goes alone leaves time to the rest",
        "reminders/delivering.py",
        "began + BUDGET_SECONDS / 2",
        "began + BUDGET_SECONDS",
        f"{DELIVERING}::test_what_goes_alone_leaves_half_of_the_time_to_the_rest",
    ),
    Patch(
        "a row that somebody holds does not end the sweep",
        "reminders/sweep.py",
        '"23503", "55P03"}',
        '"23503"}',
        f"{SWEEP}::test_a_reminder_that_somebody_holds_does_not_keep_others_from_being_sent",
    ),
    Patch(
        "a date is not told twice while another is refused",
        "reminders/last_check.py",
        "WHEN reminder.round > 1 AND",
        "WHEN FALSE AND",
        f"{REARMING}::test_a_date_that_came_back_while_the_other_was_refused_is_not_told_twice",
    ),
    # Fairness, bells, canary, health
    Patch(
        "what is due is found by an index", "reminders/dispatching.py",
        "remind_at <= statement_timestamp()", "remind_at <= clock_timestamp()",
        "tests/reminders/test_indexes.py::test_it_is_found_by_an_index[dispatch]",
    ),
    Patch(
        "what a run of pruning leaves is asked for", "reminders/pruning.py",
        "        bell.answer(MORE)\n", "        pass\n",
        "tests/reminders/test_pruning.py::test_what_a_run_leaves_is_asked_for_until_a_run_has_left_nothing",
    ),
    Patch(
        "owners take turns", "work/claims.py",
        "        ) AS first\n        LIMIT %(limit)s\n", "        ) AS first\n        LIMIT 0\n",
        f"{CLAIMS}::test_an_owner_with_one_row_is_served_beside_one_with_many",
    ),
    Patch(
        "one ring is out at a time", "work/bell.py",
        "return bool(Bell.objects.filter(free, name=name).update(rung_at=clock()))",
        "return bool(Bell.objects.filter(name=name).update(rung_at=clock()))",
        f"{BELL}::test_one_ring_is_out_at_a_time",
    ),
    Patch(
        "a ring that nobody answers is repeated", "work/bell.py",
        'Q(answered_at__gte=F("rung_at")) | lost', 'Q(answered_at__gte=F("rung_at"))',
        f"{WAKE}::test_a_ring_that_nobody_answers_is_repeated",
    ),
    Patch(
        "Redis never holds more than a few messages", "work/bell.py",
        "min(times, MOST_WAITING - length(queue, connection))", "min(times, MOST_WAITING)",
        f"{SWEEP}::test_the_queue_never_holds_more_than_a_few_messages_whatever_is_due",
    ),
    Patch(
        "a change is work at once", "reminders/wake.py",
        "(SELECT at FROM reminders_taskchange ORDER BY id LIMIT 1)", "(SELECT at FROM reminders_taskchange LIMIT 0)",
        f"{WAKE}::test_a_saved_task_is_work_at_once",
    ),
    Patch(
        "the canary reaches the mail server", "reminders/canary.py",
        "                awaiting.was_reached(EMAIL)\n", "",
        f"{CANARY}::test_with_nothing_to_send_the_server_is_greeted_and_left",
    ),
    Patch(
        "health names the culprit", "config/health.py",
        "if not other.ok and other.name in reminders_health.NEEDS[name]", "if False",
        f"{HEALTH}::test_what_is_heard_of_through_a_part_that_is_down_is_unknown_and_not_blamed",
    ),
    # Processes
    Patch(
        "a stop hands back what was not begun",
        "reminders/delivering.py",
        "monotonic() < until and not stopping.is_asked()",
        "monotonic() < until",
        "tests/e2e/test_stopping.py::test_a_stop_lets_one_message_end_and_hands_back_the_rest_at_once",
    ),
    Patch(
        "a deaf worker ends by itself",
        "work/watchdog.py",
        "if looks >= self.patience():",
        "if False:",
        "tests/e2e/test_deaf_worker.py::test_a_deaf_worker_ends_by_itself_and_its_reminder_arrives_within_a_minute",
    ),
    Patch(
        "health does not wait for a frozen database",
        "config/health.py",
        "thread.join(max(DATABASE_TIMEOUT_SECONDS, connecting + 0.5))",
        "thread.join()",
        "tests/e2e/test_postgres_away.py::test_health_answers_in_seconds_while_the_database_is_frozen",
    ),
    # Deleting
    Patch(
        "the database deletes along", "work/cascade.py",
        'action="ON DELETE CASCADE"', 'action=""',
        f"{DELETION}::test_a_reminder_that_is_planned_while_its_owner_is_deleted_goes_along",
    ),
    # Schedules
    Patch(
        "a state that is turned back makes no second run", "schedules/ledger.py",
        "ON CONFLICT (schedule_id, scheduled_for) DO NOTHING",
        "ON CONFLICT (schedule_id, scheduled_for) DO UPDATE SET status = 'due', look_at = EXCLUDED.look_at",
        f"{SCHEDULES}/test_ledger.py::test_a_moment_makes_one_run_whatever_the_state_says",
    ),
    Patch(
        "an edit appends to the queue of changes", "schedules/changes.py",
        "ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED", "WHERE FALSE LIMIT %(limit)s",
        f"{SCHEDULES}/test_ledger.py::test_an_edit_takes_effect_at_the_next_look",
    ),
    Patch(
        "what no trigger has seen is rechecked", "schedules/changes.py",
        "SELECT id FROM stretch WHERE is_stale", "SELECT id FROM stretch WHERE FALSE",
        f"{SCHEDULES}/test_ledger.py::test_an_edit_that_no_trigger_has_seen_is_found_all_the_same",
    ),
    Patch(
        "a tick locks no row of an editor's", "schedules/ledger.py",
        "FOR KEY SHARE SKIP LOCKED", "FOR NO KEY UPDATE SKIP LOCKED",
        f"{SCHEDULES}/test_ledger.py::test_an_editor_who_does_not_commit_stops_no_tick",
    ),
    Patch(
        "an old copy is mended", "schedules/ledger.py",
        "WHERE t.id = ANY(%(ids)s)\n          AND", "WHERE FALSE AND t.id = ANY(%(ids)s)\n          AND",
        f"{SCHEDULES}/test_ledger.py::test_an_old_copy_that_is_saved_turns_nothing_back",
    ),
    Patch(
        "a one-off is armed by its time alone", "schedules/planning.py",
        "if not schedule.enabled or state.has_fired:", "if not schedule.enabled:",
        f"{SCHEDULES}/test_planning.py::test_a_one_off_that_has_run_is_not_armed_again_by_being_saved",
    ),
    Patch(
        "what was missed is one run", "schedules/planning.py",
        "if schedule.catch_up == CatchUp.ALL and not schedule.runs_once:", "if True:",
        f"{SCHEDULES}/test_planning.py::test_a_run_says_for_how_many_ticks_it_stands",
    ),
    Patch(
        "an untaken tick stands for the next", "schedules/planning.py",
        "if schedule.overlap == Overlap.COALESCE and waiting.untaken:", "if False:",
        f"{SCHEDULES}/test_ledger.py::test_an_hour_without_workers_is_one_message",
    ),
    Patch(
        "an edit counts from when it was made", "schedules/planning.py",
        "state = begin(schedule, state, changed_at or now)", "state = begin(schedule, state, now)",
        f"{SCHEDULES}/test_planning.py::test_an_edit_of_its_moments_counts_from_the_edit_on",
    ),
    Patch(
        "a message that waits is not published again", "schedules/runs.py",
        "if str(run.job_id) in waiting:", "if False:",
        f"{SCHEDULES}/test_deaths.py::test_wherever_a_beat_dies_each_tick_is_one_run_and_one_message",
    ),
    Patch(
        "a run is committed before its message", "schedules/runs.py",
        "    if run.publishes:\n", "    if False:\n",
        f"{SCHEDULES}/test_runs.py::test_a_run_whose_beat_died_after_it_published_is_not_published_again",
    ),
    Patch(
        "a frozen beat leaves its runs to others", "schedules/publishing.py",
        "> PUBLISH_FOR_SECONDS:", "> 1e9:",
        f"{SCHEDULES}/test_runs.py::test_a_beat_that_was_frozen_before_it_published_leaves_it_to_others",
    ),
    Patch(
        "a worker takes a run by compare-and-set", "schedules/taking.py",
        "AND (run.status IN ('due', 'published', 'unobserved') OR", "AND (TRUE OR",
        f"{SCHEDULES}/test_taking.py::test_a_second_message_about_a_run_starts_nothing",
    ),
    Patch(
        "a start that was taken for dead settles nothing", "schedules/taking.py",
        "AND status = 'started' AND starts = coalesce(%(start)s, starts)", "AND status = 'started'",
        f"{SCHEDULES}/test_taking.py::test_a_start_that_was_taken_for_dead_does_not_settle_the_next",
    ),
    Patch(
        "a worker renews its leases", "schedules/taking.py",
        "while not self.over.wait(RENEW_EVERY_SECONDS):", "while not self.over.wait(1e6):",
        "tests/e2e/test_ledger.py::test_a_worker_renews_the_lease_of_a_job_that_takes_long",
    ),
    Patch(
        "the end of a run is written down over a new connection", "schedules/taking.py",
        "insist(SETTLE, parameters, within=LEASE)", "execute(SETTLE, parameters)",
        "tests/schedules/test_taking.py"
        "::test_a_job_that_has_ended_is_finished_though_the_database_goes_at_that_moment",
    ),
    Patch(
        "what the stock scheduler has run counts", "schedules/planning.py",
        "    state = adopt(schedule, state, now)\n", "",
        f"{SCHEDULES}/test_planning.py::test_what_the_stock_scheduler_has_run_is_not_run_again",
    ),
    Patch(
        "a wildcard runs at both passes", "schedules/moments.py",
        "if stretch.is_repeat and not fields.is_wildcard:", "if stretch.is_repeat:",
        f"{SCHEDULES}/test_moments.py::test_the_rules_hold_in_every_zone",
    ),
    # Files
    Patch(
        "a file that is being scanned is closed", "attachments/models.py",
        "OPEN = (State.CLEAN, State.READY)", "OPEN = (State.SCANNING, State.CLEAN, State.READY)",
        f"{FILES}/test_scanning.py::test_without_a_scanner_files_wait_and_say_for_what",
    ),
    Patch(
        "what the scanner has found is a virus", "attachments/clamd.py",
        'if verdict == "FOUND" and name:\n        return Answer(is_clean=False, found=name)',
        'if verdict == "FOUND" and name:\n        return Answer(is_clean=True)',
        f"{FILES}/test_scanning.py::test_a_virus_is_quarantined_under_its_name",
    ),
    Patch(
        "what the scanner does not take is not passed", "attachments/clamd.py",
        'return Answer(is_clean=False, why_not=f"larger', 'return Answer(is_clean=True, why_not=f"larger',
        f"{FILES}/test_scanning.py::test_a_file_that_is_larger_than_the_scanner_takes_is_quarantined_not_passed",
    ),
    Patch(
        "the file that was scanned is the one that was uploaded", "attachments/scanning.py",
        "if answer.is_clean and content.sha256 != attachment.sha256:", "if False:",
        f"{FILES}/test_scanning.py::test_a_file_that_is_not_what_was_uploaded_is_not_passed",
    ),
    Patch(
        "a scanner that is away costs no attempt", "attachments/scanning.py",
        "    if not error.carrying:\n", "    if error.carrying is None:\n",
        f"{FILES}/test_scanning.py::test_a_scanner_that_is_stopped_costs_no_attempt_and_the_scan_goes_on_when_it_is_back",
    ),
    Patch(
        "the breaker parks the scans", "attachments/scanning.py",
        "    if admission is Admission.NONE:\n        return False\n", "",
        f"{FILES}/test_scanning.py::test_a_scanner_that_is_stopped_costs_no_attempt_and_the_scan_goes_on_when_it_is_back",
    ),
    Patch(
        "a file on which the scanner breaks off bears it", "attachments/scanning.py",
        "if broken_before is not None and breaker.accepted_since(SCANNER, broken_before):", "if False:",
        f"{FILES}/test_scanning.py::test_a_file_on_which_the_scanner_breaks_off_lets_others_go_first_and_then_bears_it",
    ),
    Patch(
        "a file whose commit nobody heard is kept", "attachments/files.py",
        "    except AnyDatabaseError:\n        raise\n", "",
        f"{FILES}/test_lost_answers.py::test_a_file_whose_row_was_committed_is_kept",
    ),
    Patch(
        "what was committed is not taken back by what comes after", "attachments/thumbnailing.py",
        "    word = settle(pk, holder, drawn, keys, seconds=round(monotonic() - began, 3))\n",
        "    with files.let_go_on_error(*keys):\n"
        "        word = settle(pk, holder, drawn, keys, seconds=round(monotonic() - began, 3))\n",
        f"{FILES}/test_lost_answers.py::test_thumbnails_are_kept_though_the_job_is_ended_just_after_the_commit",
    ),
    Patch(
        "what was drawn under a lost lease goes", "attachments/thumbnailing.py",
        "    if word == LEASE_LOST:\n        files.let_go(*keys)\n", "",
        f"{FILES}/test_thumbnailing.py::test_what_a_run_has_drawn_whose_lease_was_lost_is_erased",
    ),
    Patch(
        "a drawing that takes long is ended", "attachments/thumbnailing.py",
        "stdout=stdout, stderr=stderr, timeout=seconds,", "stdout=stdout, stderr=stderr, timeout=None,",
        f"{FILES}/test_thumbnailing.py::test_a_program_that_takes_too_long_is_ended",
    ),
    Patch(
        "the drawing knows nothing of the service", "attachments/thumbnailing.py",
        'env={"PATH": os.defpath, "LANG": "C.UTF-8"}, ', "",
        f"{FILES}/test_thumbnailing.py::test_the_program_knows_nothing_of_the_services_environment",
    ),
    Patch(
        "a file whose attempts are spent is failed", "attachments/recovering.py",
        "return found + fail_lost() + end_lost()", "return found + end_lost()",
        f"{FILES}/test_processing.py::test_a_file_that_every_worker_dies_of_is_never_passed",
    ),
    Patch(
        "a picture whose attempts are spent is ready", "attachments/recovering.py",
        "return found + fail_lost() + end_lost()", "return found + fail_lost()",
        f"{FILES}/test_processing.py::test_a_picture_whose_drawing_every_worker_dies_of_is_ready_without_thumbnails",
    ),
    Patch(
        "a process of a worker stays free for reminders", "attachments/slots.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass",
        f"{FILES}/test_processing.py::test_one_process_of_a_worker_stays_free_for_reminders",
    ),
    Patch(
        "beat does not ring for what is parked", "attachments/wake.py",
        "FROM work_breaker WHERE name = %s", "FROM work_breaker WHERE name = %s AND FALSE",
        f"{FILES}/test_processing.py::test_beat_does_not_ring_for_scans_while_the_scanner_is_parked",
    ),
    Patch(
        "uploads of an owner's take turns", "attachments/services.py",
        "    User.objects.select_for_update(no_key=True).filter(pk=task.owner_id).first()\n", "",
        f"{FILES}/test_upload_api.py::test_two_uploads_at_the_same_moment_do_not_both_get_the_last_place",
    ),
    Patch(
        "what is deleted by SQL is erased", "attachments/migrations/0002_kept_by_trigger.py",
        "SELECT key FROM gone WHERE deleted_at IS NULL", "SELECT key FROM gone WHERE FALSE",
        f"{FILES}/test_deleting.py::test_files_go_by_whatever_means_an_attachment_is_deleted",
    ),
    Patch(
        "a file that is being written is to be erased", "attachments/files.py",
        "    Erasure.objects.create(key=key, not_before=in_(NEVER_ADOPTED_AFTER))\n", "",
        f"{FILES}/test_upload_api.py::test_of_a_file_whose_upload_dies_before_its_row_nothing_stays",
    ),
    Patch(
        "what is quarantined outlives its task", "attachments/pruning.py",
        "          AND attachment.state NOT IN ({QUARANTINED})\n", "",
        f"{FILES}/test_deleting.py::test_what_is_quarantined_outlives_its_task",
    ),
    Patch(
        "a user is deleted in the order of the locks", "attachments/models.py",
        'Attachment, on_delete=models.DO_NOTHING, related_name="%(class)s"',
        'Attachment, on_delete=models.CASCADE, related_name="%(class)s"',
        f"{FILES}/test_locks.py::test_a_user_is_deleted_while_a_worker_writes_down_what_it_has_found",
    ),
    Patch(
        "a user who is deleted is locked before their tasks", "reminders/signals.py",
        "    User.objects.select_for_update().filter(pk=instance.pk).first()\n", "",
        f"{FILES}/test_locks.py::test_a_user_is_deleted_while_an_upload_of_theirs_ends",
    ),
    Patch(
        "erasing holds no more processes than scanning", "attachments/processing.py",
        "        if has_slot:\n            counts", "        if True:\n            counts",
        f"{FILES}/test_processing.py::test_a_storage_that_does_not_answer_holds_no_more_processes_than_a_scan",
    ),
    Patch(
        "the stages of files take turns", "attachments/processing.py",
        "        _stages.rotate(-1)\n", "",
        f"{FILES}/test_processing.py::test_scans_and_drawings_take_turns",
    ),
    Patch(
        "who was not told because of a deletion is told", "attachments/migrations/0002_kept_by_trigger.py",
        "is_untold = is_untold OR (state = 'infected' AND deleted_at IS NULL)", "is_untold = is_untold",
        "tests/reminders/test_telling.py::test_a_task_that_is_restored_is_told_of_what_was_suppressed_while_it_was_deleted",
    ),
    Patch(
        "who releases needs the permission", "attachments/api.py",
        'return may(user, Attachment, ["change"])', "return user.is_staff",
        f"{FILES}/test_release_and_rescan.py::test_staff_without_the_permission_let_nothing_out",
    ),
    Patch(
        "an owner is told once", "reminders/telling.py",
        "SET is_untold = FALSE, history", "SET history",
        "tests/reminders/test_telling.py::test_beat_rings_while_somebody_is_untold",
    ),
    Patch(
        "what was released is not announced", "reminders/last_check.py",
        "WHEN attachment.state <> 'infected' THEN 'the file is not quarantined any more'\n", "\n",
        "tests/reminders/test_telling.py::test_what_was_released_before_the_message_went_is_not_announced",
    ),
    # Time zones
    Patch(
        "the zones of the host are not read", "config/time_zones.py",
        "    zoneinfo.reset_tzpath(to=())\n", "    zoneinfo.reset_tzpath()\n",
        f"{ZONES}::test_no_other_files_are_read_than_those_of_the_package",
    ),
    Patch(
        "the C library reads the same zones", "config/time_zones.py",
        '"TZDIR": str(RULES)', '"TZDIR_": str(RULES)',
        f"{ZONES}::test_the_c_library_reads_the_same_files",
    ),
    Patch(
        "sql that moves an instant leaves what was meant by it to be reckoned", "taskapp/migrations/0005_due_local.py",
        "            NEW.due_local := '';\n        END IF;\n        IF NEW.due_local <>",
        "            NULL;\n        END IF;\n        IF NEW.due_local <>",
        f"{MEANT}::test_sql_that_moves_the_instant_leaves_it_to_be_reckoned",
    ),
    Patch(
        "what is filled in of what was meant is no new version", "taskapp/migrations/0005_due_local.py",
        "            IF others IS NOT DISTINCT FROM OLD THEN", "            IF FALSE THEN",
        f"{MEANT}::test_what_is_filled_in_is_no_change_for_anybody",
    ),
    Patch(
        "reminders move along with the rules of zones", "reminders/zone_rules.py",
        "                move_reminders(moved)\n", "",
        f"{ZONE_RULES}::test_what_was_told_is_not_told_again",
    ),
    Patch(
        "rounds go on where the rules of zones lead a due date back", "reminders/zone_rules.py",
        "SELECT coalesce(max(other.round), 0)", "SELECT 0 * coalesce(max(other.round), 0)",
        f"{ZONE_RULES}::test_a_due_date_that_was_at_the_new_instant_before_is_not_told_again_either",
    ),
    Patch(
        "changes that wait move along with the rules of zones", "reminders/zone_rules.py",
        '        cursor.execute(WAITING, {"ids": ids, "was": was, "now": now})\n', "",
        f"{ZONE_RULES}::test_a_due_date_that_nobody_has_planned_yet_and_that_lies_in_the_past_now_is_told",
    ),
    Patch(
        "who changes a task is not overwritten by the rules of zones", "taskapp/zone_rules.py",
        "WHERE task.due_at = given.was AND task.timezone = given.zone AND task.due_local = given.before",
        "WHERE task.due_at = given.was",
        f"{ZONE_RULES}::test_who_changes_a_task_meanwhile_is_not_overwritten",
    ),
    Patch(
        "an instant that ends a day stays the end of that day", "taskapp/dates.py",
        "return day if end_of_day(day, zone) == due_at else day_of(due_at, zone)", "return day_of(due_at, zone)",
        f"{ROUND_TRIPS}::test_a_day_that_becomes_an_instant_and_a_day_again_is_the_same_day",
    ),
    Patch(
        "a date is no instant on the way", "taskapp/services.py",
        "    due_at = end_of_day(day, zone)\n    if not",
        "    due_at = end_of_day(day_of(end_of_day(day, zone) - timedelta(hours=12), zone), zone)\n"
        "    day = day_of(due_at - timedelta(hours=12), zone)\n    if not",
        f"{ROUND_TRIPS}::test_a_day_stays_that_day",
    ),
    Patch(
        "a form reads a time in the zone beside it", "taskapp/forms.py",
        "instant_of(wall, zone, stored=self.instance.due_at)",
        "instant_of(wall, self.instance.timezone, stored=self.instance.due_at)",
        "tests/admin/test_wall_times.py::test_a_task_that_is_edited_is_due_likewise",
    ),
    Patch(
        "what stands in a form as it was shown is not read again", "taskapp/forms.py",
        "if not self.instance.pk or DUE & set(self.changed_data):", "if True:",
        "tests/admin/test_wall_times.py::test_saving_without_a_change_changes_nothing",
    ),
    Patch(
        "of an hour that comes twice the stored one stays", "edges/wall_times.py",
        "before if is_as_shown else instant_of(wall, zone, stored=before)", "instant_of(wall, zone)",
        "tests/admin/test_schedule_wall_times.py::test_a_schedule_saved_as_it_stands_keeps_its_moments",
    ),
    Patch(
        "a schedule's times follow the crontab in the same form", "schedules/forms.py",
        'self.moved = self.read_in(zone, self.stored, was=self.zone)',
        'self.moved = self.read_in(self.zone, self.stored, was=self.zone)',
        "tests/admin/test_schedule_wall_times.py"
        "::test_what_is_typed_in_a_schedule_is_meant_in_the_zone_of_the_crontab_beside_it",
    ),
    # Migrations
    Patch(
        "a database gets the indexes that were edited into a migration", "reminders/migrations/0008_repair_0006.py",
        "CREATE INDEX IF NOT EXISTS delivery_unknown ON reminders_delivery (id DESC) WHERE unknown_outcome;\n", "",
        "tests/production/test_repairs.py::test_what_a_database_lacks_is_made[reminders.migrations.0008_repair_0006]",
    ),
    Patch(
        "a migration that stands is not edited", "tests/migrations.py",
        "if path in now and now[path] != then[path]", "if False",
        "tests/production/test_migrations.py::test_a_changed_migration_is_refused",
    ),
    Patch(
        "a line that was committed is not rewritten", "tests/migrations.py",
        "set(lines_in(history())) - stands", "set()",
        "tests/production/test_migrations.py::test_a_line_that_was_committed_is_replaced_by_a_decision_alone",
    ),
    # What is said to the API
    Patch(
        "an unknown field is refused", "edges/unknown_fields.py",
        "if name not in known][:MOST_NAMED]", "if False][:MOST_NAMED]",
        "tests/api/test_unknown_fields.py::test_a_misspelt_field_is_named_with_the_one_that_is_meant",
    ),
    Patch(
        "an action without a body takes none", "reminders/api.py",
        "        reminder = self.get_object()\n        refuse_body(request)\n",
        "        reminder = self.get_object()\n",
        "tests/api/test_unknown_fields.py::test_every_address_that_takes_something_refuses_what_it_does_not_know",
    ),
    Patch(
        "a name that stands twice is refused", "config/problems.py",
        "    if len(found) < len(pairs):", "    if False:",
        "tests/api/test_unknown_fields.py::test_a_name_that_stands_twice_is_refused",
    ),
    Patch(
        "being staff is no permission", "edges/permissions.py",
        "return user.is_staff and any(user.has_perm(name) for name in names_of(model, verbs))", "return user.is_staff",
        "tests/api/test_permissions.py::test_staff_without_the_permission_change_nothing",
    ),
    # Mail
    Patch(
        "what looks encoded is encoded", "mail/headers.py",
        "len(word) <= longest and LOOKS_ENCODED not in word and PLAIN", "len(word) <= longest and PLAIN",
        f"{HEADERS}::test_what_looks_encoded_is_read_as_it_was_typed",
    ),
    Patch(
        "no line break of a text gets into a header", "mail/headers.py",
        'NO_LINE.sub(" ", text)', "text",
        f"{HEADERS}::test_a_line_break_becomes_a_space",
    ),
    Patch(
        "a space that is not alone stands in an encoded word", "mail/headers.py",
        'PLAIN = re.compile(r"[!-~]+")', 'PLAIN = re.compile(r"[!-~]*")',
        f"{HEADERS}::test_spaces_at_the_ends_arrive",
    ),
    Patch(
        "a letter and its marks stay in one encoded word", "mail/headers.py",
        "is_whole = size(piece) <= (PAYLOAD if taken else most)", "is_whole = False",
        f"{HEADERS}::test_a_letter_and_its_marks_stand_in_one_encoded_word",
    ),
    Patch(
        "Django's mails go to the address on file", "mail/backend.py",
        "to=read_all(email.to)", 'to=read_all([address.encode("idna").decode() for address in email.to])',
        "tests/mail/test_backend.py::test_a_name_in_a_reset_writes_no_header",
    ),
    Patch(
        "domains go out by IDNA 2008", "mail/domains.py",
        'idna.encode(domain, uts46=True).decode("ascii")', 'domain.encode("idna").decode("ascii")',
        "tests/mail/test_domains.py::test_a_domain_goes_out_in_ascii",
    ),
    Patch(
        "the history shows the address on the wire", "reminders/last_check.py",
        '"to": on_the_wire(self.address)', '"to": self.address',
        f"{INTERNATIONAL}::test_domains_go_out_in_ascii_everywhere_and_the_history_says_so",
    ),
    Patch(
        "a server is asked whether it takes an address outside ASCII", "reminders/channels/smtp.py",
        'if mail.smtp_options and not self._smtp.has_extn("smtputf8"):', "if False:",
        f"{INTERNATIONAL}::test_where_it_does_not_that_message_is_refused_for_good",
    ),
    Patch(
        "addresses are looked at where they are entered", "accounts/apps.py",
        "validate_address if each is validate_email else each", "each",
        "tests/accounts/test_addresses.py::test_so_does_createsuperuser",
    ),
    Patch(
        "links have their host in ASCII", "config/env.py",
        "{in_url(ascii_host('PUBLIC_URL', str(parts.hostname)))}", "{in_url(str(parts.hostname))}",
        "tests/config/test_international.py::test_a_service_under_such_names_starts_and_uses_them_in_ascii",
    ),
    # Languages
    Patch(
        "a job speaks the language of its recipient", "reminders/channels/mime.py",
        "    with speaking(message.language):\n        return compose_here(message)\n",
        "    return compose_here(message)\n",
        f"{LANGUAGE}::test_each_recipient_is_told_in_their_own_language",
    ),
    Patch(
        "frozen content keeps its language", "reminders/last_check.py",
        "content = CASE WHEN delivery.unknown_outcome THEN delivery.content ELSE checked.content END",
        "content = CASE WHEN delivery.unknown_outcome THEN delivery.content || jsonb_build_object("
        "'language', checked.content -> 'language') ELSE checked.content END",
        f"{LANGUAGE}::test_a_repeat_after_an_unknown_outcome_keeps_its_language",
    ),
    Patch(
        "one language costs no statement", "config/language.py",
        "        if not is_choice():\n            return self.get_response(request)\n", "",
        "tests/config/test_language.py::test_where_one_language_is_offered_it_costs_no_statement_and_nothing_varies",
    ),
    # The web server
    Patch(
        "a request has a deadline", "webserver/worker.py",
        "if connection.deadline <= now:", "if False:",
        f"{WEBSERVER}/test_slow_clients.py"
        "::test_what_takes_too_long_is_408_and_a_connection_without_a_request_closed_without_a_word",
    ),
    Patch(
        "a body that arrives prolongs its deadline", "webserver/limits.py",
        " + received / self.body_bytes_per_second", "",
        f"{WEBSERVER}/test_slow_clients.py::test_a_body_that_keeps_pace_may_take_longer",
    ),
    Patch(
        "no thread waits for a reader", "webserver/responses.py",
        "            while not outgoing.flush():\n                yield\n",
        "            while not outgoing.flush():\n                pass\n",
        f"{WEBSERVER}/test_slow_clients.py"
        "::test_a_client_that_does_not_read_holds_up_nobody_and_gets_the_whole_in_the_end[/large]",
    ),
    Patch(
        "a response stays in its context", "webserver/worker.py",
        "connection.context.run(next, connection.response, ended)", "next(connection.response, ended)",
        f"{WEBSERVER}/test_slow_clients.py"
        "::test_a_client_that_does_not_read_holds_up_nobody_and_gets_the_whole_in_the_end[/large]",
    ),
    Patch(
        "the longest idle connection makes room", "webserver/table.py",
        "(connection.phase, connection.since)", "(-connection.phase, connection.since)",
        f"{WEBSERVER}/test_slow_clients.py::test_a_new_connection_costs_the_one_that_has_been_idle_for_longest",
    ),
    Patch(
        "the length of a body in chunks is told", "webserver/responses.py",
        'environ["CONTENT_LENGTH"] = str(connection.body.size)', "pass",
        "tests/e2e/test_slow_clients.py::test_what_is_changed_by_a_body_in_chunks_is_changed[a task-7]",
    ),
    Patch(
        "a chunk ends where its size says", "webserver/chunks.py",
        "        if line:\n            raise ChunkMissingTerminator",
        "        if False:\n            raise ChunkMissingTerminator",
        f"{WEBSERVER}/test_chunks.py::test_it_agrees_with_gunicorns_own",
    ),
    Patch(
        "a process without descriptors waits for a tick", "webserver/worker.py",
        "self.has_failed_to_accept = self.cannot_accept = True", "self.has_failed_to_accept = True",
        f"{WEBSERVER}/test_accepting.py"
        "::test_a_system_that_refuses_connections_is_asked_again_at_the_next_tick[EMFILE]",
    ),
    Patch(
        "a file that cannot be closed costs its request alone", "webserver/bodies.py",
        "            with suppress(OSError):\n                self.file.close()", "            self.file.close()",
        f"{WEBSERVER}/test_bodies.py"
        "::test_a_body_that_cannot_be_written_when_it_is_closed_costs_its_request_alone",
    ),
    Patch(
        "chunked is the only transfer coding", "webserver/worker.py",
        'if name == "TRANSFER-ENCODING" and value.lower() != "chunked":', "if False:",
        f"{WEBSERVER}/test_bodies.py"
        "::test_what_two_servers_might_read_differently_is_refused_and_nothing_after_it_is_read",
    ),
    Patch(
        "HEAD is answered by the first part", "webserver/responses.py",
        "if response._omits_body:", "if False:",
        f"{WEBSERVER}/test_responses.py::test_only_the_first_part_of_a_body_is_made_for_head",
    ),
    Patch(
        "responses that nobody reads are bounded", "webserver/table.py",
        "            if excess <= 0:\n                break\n            excess -=",
        "            break\n            excess -=",
        f"{WEBSERVER}/test_responses.py::test_responses_that_nobody_reads_have_a_bound_in_memory",
    ),
    Patch(
        "a recycled process waits for no reader", "webserver/worker.py",
        "            self.is_recycled = True\n", "",
        f"{WEBSERVER}/test_slow_clients.py"
        "::test_a_process_that_is_recycled_does_not_wait_for_who_does_not_read",
    ),
    Patch(
        "framing around little content is bounded", "webserver/chunks.py",
        "if self._excess > MAX_EXCESS_BYTES:", "if False:",
        f"{WEBSERVER}/test_bodies.py::test_much_framing_around_little_content_is_refused",
    ),
    Patch(
        "a body without a length is not taken for empty", "config/limits.py",
        'if request.headers.get("Transfer-Encoding") and', "if False and",
        "tests/api/test_bad_input.py"
        "::test_a_body_whose_length_the_server_does_not_tell_is_411_and_not_taken_for_empty[/accounts/login/]",
    ),
    # Disks and servers in odd states
    Patch(
        "counts are written, not mapped", "config/counts.py",
        "    values.MmapedDict = CountsFile", "    return\n    values.MmapedDict = CountsFile",
        f"{COUNTS}::test_a_running_process_whose_file_cannot_grow_counts_in_memory",
    ),
    Patch(
        "counts that the disk did not take are written later", "config/counts.py",
        "            begin, end = HEADER, self._used\n", "",
        f"{COUNTS}::test_a_process_that_finds_the_disk_full_counts_in_memory_and_in_files_later",
    ),
    Patch(
        "uploads leave a reserve", "attachments/receiving.py",
        "        elif not is_room_for(len(raw_data)):", "        elif False:",
        f"{FULL_DISK}::test_an_upload_that_would_leave_less_than_is_kept_is_refused_and_leaves_nothing",
    ),
    Patch(
        "an upload is on the disk when its chunk is taken", "attachments/receiving.py",
        ", buffering=0)", ")",
        f"{FULL_DISK}::test_an_upload_is_refused_and_can_be_tried_again",
    ),
    Patch(
        "no picture is to blame for a full disk", "attachments/thumbnailing.py",
        "        if is_of_the_disk(error):\n", "        if False:\n",
        f"{FULL_DISK}::test_no_picture_is_to_blame_for_a_full_disk",
    ),
    Patch(
        "the servers' keeper outlives a full disk", "launcher/keeper.py",
        "        with contextlib.suppress(OSError):\n            self._publish()\n        if all(",
        "        self._publish()\n        if all(",
        "tests/launcher/test_servers_full_disk.py::test_a_server_that_dies_on_a_full_disk_takes_nobody_along",
    ),
    Patch(
        "a state of the server is no defect", "config/postgresql/base.py",
        "if is_the_servers is None or is_the_servers == is_operational:", "if True:",
        f"{STATES}::test_a_state_of_the_server_is_an_operational_error",
    ),
    Patch(
        "a session with a standby is not used again", "config/postgresql/base.py",
        "            self.wrapper.unfit = self.wrapper.connection\n", "            pass\n",
        f"{STATES}::test_a_session_that_another_may_do_better_than_is_not_used_again",
    ),
    Patch(
        "several hosts stand in the URL", "config/env.py",
        'os.environ[SERVICE] = service  # libpq looks up no other', "pass",
        f"{HOSTS}::test_several_hosts_that_would_not_race_are_refused[service=]",
    ),
    Patch(
        "files that are deleted are found by EXCEPT", "attachments/migrations/0005_bury_without_a_join.py",
        "operations = [migrations.RunSQL(REPLACE, BACK)]", "operations = []",
        "tests/reminders/test_change_triggers.py::test_many_files_are_deleted_by_one_statement_after_one_was_renamed",
    ),
    Patch(
        "a file of counts has one writer", "config/counts.py",
        "            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)", "            pass",
        f"{COUNTS}::test_of_two_processes_with_the_same_id_one_has_the_file",
    ),
    Patch(
        "a defect of a handler is no state of the server", "config/errors.py",
        "error.__context__ if isinstance(error, OF_DJANGOS_SESSIONS) else error.__cause__",
        "error.__cause__ or error.__context__",
        f"{STATES}::test_what_is_raised_from_an_error_of_the_database_is_one_and_what_follows_it_is_none",
    ),
    Patch(
        "health has PostgreSQL write", "config/probes.py",
        "    bell.answer(DATABASE)\n", "",
        f"{STATES}::test_what_it_cannot_do_is_503_and_to_be_tried_again_and_the_database_is_named",
    ),
    Patch(
        "beat tells of a trouble once a minute", "schedules/troubles.py",
        "if now - trouble.said_at >= SAY_AGAIN_SECONDS:", "if True:",
        "tests/schedules/test_troubles.py::test_a_database_that_takes_no_writes_does_not_fill_beats_log",
    ),
    # Hosts that are silent, and a Redis that refuses
    Patch(
        "the next host is tried beside a silent one", "work/racing.py",
        "patience = min(patience, HEAD_START_SECONDS)", "pass",
        f"{HOSTS}::test_a_silent_host_costs_a_quarter_of_a_second_once",
    ),
    Patch(
        "the host that answered comes first", "config/postgresql/hosts.py",
        "    _winners[hosts_key(parameters)] = order[place]", "    pass",
        f"{HOSTS}::test_a_silent_host_costs_a_quarter_of_a_second_once",
    ),
    Patch(
        "a session that opens late is kept", "config/postgresql/hosts.py",
        "    _late.append(entry)", "    connection.close()",
        f"{HOSTS}::test_a_session_that_opens_too_late_is_kept_for_the_next",
    ),
    Patch(
        "a name has one resolver thread", "work/racing.py",
        "answer = _asked.setdefault(name, new)", "answer = _asked[name] = new",
        "tests/work/test_racing.py::test_a_resolver_that_is_silent_has_one_thread_for_each_name_whoever_asks",
    ),
    Patch(
        "who finds the resolver being asked takes the address that was right", "config/postgresql/hosts.py",
        "if known and is_asked(host, int(port)):", "if False:",
        f"{HOSTS}::test_while_somebody_waits_for_the_resolver_the_address_that_was_right_is_used_at_once",
    ),
    Patch(
        "a name's addresses share one timeout", "work/broker.py",
        "connection = racing.connect(self.host, int(self.port), within=within, prepare=self._prepare)",
        "connection = super()._connect()",
        "tests/work/test_broker.py::test_a_name_with_silent_addresses_costs_one_timeout_and_not_one_for_each",
    ),
    Patch(
        "health asks Redis for a write", "config/health.py",
        "check_writes(redis, settings.QUEUES)", "redis.ping()",
        "tests/work/test_broker.py::test_a_redis_that_answers_and_takes_no_writes_is_named_with_the_reason",
    ),
    Patch(
        "a worker is connected once Redis takes writes", "work/broker.py",
        "            if queues:\n", "            if False:\n",
        "tests/work/test_broker.py::test_a_worker_is_connected_only_once_writes_are_taken",
    ),
    Patch(
        "an error that Redis answers ends no worker", "work/broker.py",
        "connection_errors = (*kombu_redis.Transport.connection_errors, ResponseError)",
        "connection_errors = kombu_redis.Transport.connection_errors",
        "tests/e2e/test_redis_away.py::test_a_redis_that_answers_and_refuses_is_named_and_ends_no_worker[read_only]",
    ),
    Patch(
        "the messages of a schedule are bounded", "schedules/publishing.py",
        "if is_crowded(run, app, producer):", "if False:",
        f"{SCHEDULES}/test_unread_queues.py::test_the_messages_of_a_schedule_are_bounded",
    ),
]  # fmt: skip
