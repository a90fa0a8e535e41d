"""Whose fault a refusal is, by what real servers say."""

import pytest

from reminders.channels.replies import Fault, Reply, fault_of

RECIPIENT, OURS, TRANSPORT = Fault.RECIPIENT, Fault.OURS, Fault.TRANSPORT

AT_RCPT = {
    # The recipient's.
    "550 5.1.1 <a@example.org>: Recipient address rejected: User unknown in local recipient table": RECIPIENT,
    "550-5.1.1 The email account that you tried to reach does not exist": RECIPIENT,
    "550 5.4.1 Recipient address rejected: Access denied": RECIPIENT,  # Exchange Online: no such user
    "550 No such user here": RECIPIENT,
    "553 5.1.3 bad address syntax": RECIPIENT,
    "551 5.1.6 the user has moved": RECIPIENT,
    "552 5.2.2 mailbox full": RECIPIENT,
    "452 4.2.2 mailbox full": RECIPIENT,
    "450 4.2.0 <a@example.org>: Recipient address rejected: Greylisted": RECIPIENT,
    "451 4.7.1 Greylisting in action, please come back later": RECIPIENT,
    "554 5.7.1 <a@example.org>: Recipient address rejected: Access denied": RECIPIENT,
    "550 5.7.124 sender not in the group's list of allowed senders": RECIPIENT,
    "556 5.1.10 the domain accepts no mail": RECIPIENT,
    "550 5.1.1 <michelotti@example.com>: Recipient address rejected: User unknown": RECIPIENT,
    "550 <ehlo@example.org> unknown": RECIPIENT,
    "504 5.5.2 <bob>: Recipient address rejected: need fully-qualified address": RECIPIENT,
    "501 5.1.3 Bad recipient address syntax": RECIPIENT,
    "550 no such user, check your address book": RECIPIENT,
    # Ours.
    "504 5.5.2 <host>: Helo command rejected: need fully-qualified hostname": OURS,
    "450 4.7.1 <host>: Helo command rejected: Host not found": OURS,
    "554 5.7.1 <a@example.org>: Relay access denied": OURS,
    "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain": RECIPIENT,  # left to the row of refusals
    "550 relay not permitted": OURS,
    "530 5.7.0 Must issue a STARTTLS command first": OURS,
    "530 Authentication required": OURS,
    "535 5.7.8 Error: authentication failed": OURS,
    "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied": OURS,
    "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]": OURS,
    "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org": OURS,
    "550 5.1.8 <us@example.org>: Sender address rejected: Domain not found": OURS,
    "553 5.7.1 <us@example.org>: Sender address rejected: not owned by user them": OURS,
    "550 5.7.26 this mail has been blocked because the sender is unauthenticated": OURS,
    "550 5.7.606 Access denied, banned sending IP [192.0.2.1]": OURS,
    "503 5.5.1 nested MAIL command": OURS,
    # The server's.
    "421 4.3.2 shutting down": TRANSPORT,
    "452 4.3.1 Insufficient system storage": TRANSPORT,
    "450 4.3.2 Service currently unavailable": TRANSPORT,
}


@pytest.mark.parametrize("said", AT_RCPT)
def test_a_reply_to_rcpt(said):
    reply = Reply("RCPT TO", int(said[:3]), said[4:])

    assert fault_of(reply) is AT_RCPT[said]


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("550 5.1.0 sender rejected", OURS),
        ("451 4.1.8 your domain does not resolve", OURS),
        ("421 4.7.0 too many connections", TRANSPORT),
        ("550 5.6.7 this address needs SMTPUTF8", RECIPIENT),
    ],
)
def test_a_reply_to_mail_from_tells_nothing_of_the_recipient(said, fault):
    assert fault_of(Reply("MAIL FROM", int(said[:3]), said[4:])) is fault


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("554 5.6.0 message content rejected", RECIPIENT),
        ("552 5.3.4 message too big", RECIPIENT),
        ("554 5.7.1 looks like spam", RECIPIENT),
        ("550-5.7.26 This mail is unauthenticated: no SPF, no DKIM", OURS),
    ],
)
def test_a_reply_to_the_message(said, fault):
    assert fault_of(Reply("the message", int(said[:3]), said[4:])) is fault
