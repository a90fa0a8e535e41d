"""What planning and the last check must agree on: when a suppressed delivery stays suppressed, and for which reason.

Whoever suppresses a delivery appends a TaskChange in the same transaction, and planning queues it again if it is wanted
by then. Were the two of different opinions, a delivery would be queued and suppressed for ever. So both put the same
SQL into their statements, whose aliases are named below.
"""

from datetime import timedelta

INACTIVE = "the account is inactive"
UNSUBSCRIBED = "unsubscribed"
NO_ADDRESS = "no address"

UNREACHABLE = (INACTIVE, UNSUBSCRIBED, NO_ADDRESS)
"""Reasons that stand in the rows of the recipient, not of the task. The index `delivery_unreached` is of these."""

IS_UNREACHED = f"reason IN {UNREACHABLE}"

TOLD_UNTIL = timedelta(days=7)
"""Who can be reached again is told of what has been overdue for less than this."""

NO_LONGER_ANNOUNCED = "no longer announced: overdue since "
"""How the reason of the others begins. Those are a person's to retry, as those that a person cancelled."""

# Aliases: account (auth_user), preference (accounts_preference, by a LEFT JOIN). NULL where the recipient can be told.
WHY_UNREACHABLE = f"""CASE WHEN NOT account.is_active THEN '{INACTIVE}'
                         WHEN NOT coalesce(preference.email_enabled, TRUE) THEN '{UNSUBSCRIBED}'
                         WHEN account.email = '' THEN '{NO_ADDRESS}' END"""

# Aliases: own (the delivery), reminder (its task_id and rule_id). The due date that the recipient was told last, by any
# other delivery. Index: reminder_unique_task_rule_due_round.
TOLD_LAST_BY_OTHERS = """(
                        SELECT other.due_at
                          FROM reminders_reminder AS other JOIN reminders_delivery AS told
                            ON told.reminder_id = other.id AND told.recipient_id = own.recipient_id
                         WHERE told.id <> own.id
                           AND other.task_id = reminder.task_id AND other.rule_id = reminder.rule_id
                           AND (told.status = 'sent' OR told.unknown_outcome OR told.handing_over)
                         ORDER BY coalesce(told.handed_over_at, told.sent_at) DESC LIMIT 1)"""
