"""Whose fault a refusal by a mail server is, read from its reply. Pure.

A 5xx after RCPT TO does not say that the recipient is wrong: by default Postfix delays to there what it has against
the client, its name, its sender or its lack of a password. Blamed on the recipient, one wrong setting would fail every
message of a night. The enhanced status code (RFC 3463; the registry of RFC 5248) says more than the basic one, and
where it is silent or means two things (5.7.1) the words do.
"""

import re
from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """Whose fault it is that a message was not taken."""

    RECIPIENT = "recipient"
    """This message or its recipient: the next one may well be taken."""
    OURS = "ours"
    """What we are, or how we are set up: no message is taken until that changes."""
    TRANSPORT = "transport"
    """The server's state: no message is taken for now."""


@dataclass(frozen=True)
class Reply:
    """A reply, to one of: MAIL FROM, RCPT TO, DATA, the message."""

    command: str
    code: int
    text: str

    @property
    def enhanced(self) -> str:
        """Subject and detail of the enhanced status code, such as "7.1"; empty if there is none."""
        found = re.match(rf"{self.code // 100}\.(\d{{1,3}}\.\d{{1,3}})(?:\s|$)", self.text)
        return found[1] if found else ""

    @property
    def is_permanent(self) -> bool:
        return self.code >= 500


BASIC = {
    421: Fault.TRANSPORT,  # service not available, closing
    432: Fault.OURS,  # a password transition is needed
    454: Fault.OURS,  # temporary authentication failure; TLS not available
    500: Fault.OURS, 501: Fault.OURS, 502: Fault.OURS, 503: Fault.OURS, 504: Fault.OURS,  # syntax, sequence, HELO
    523: Fault.RECIPIENT,  # larger than this recipient takes
    525: Fault.OURS, 530: Fault.OURS, 534: Fault.OURS, 535: Fault.OURS, 538: Fault.OURS,  # authentication
    555: Fault.OURS,  # MAIL FROM/RCPT TO parameters not recognised
}  # fmt: skip
"""What a basic code says whatever else is said; the others (450, 451, 452, 550-554, 556) are the recipient's."""

ENHANCED = {
    "1.7": Fault.OURS, "1.8": Fault.OURS, "1.9": Fault.OURS,  # the sender's address
    "3.1": Fault.TRANSPORT, "3.2": Fault.TRANSPORT,  # system full, not accepting messages
    "3.5": Fault.OURS,  # system wrongly set up
    "5.0": Fault.OURS, "5.1": Fault.OURS, "5.2": Fault.OURS, "5.4": Fault.OURS, "5.5": Fault.OURS,  # protocol
    "7.3": Fault.OURS, "7.4": Fault.OURS, "7.5": Fault.OURS,  # security features
    "7.8": Fault.OURS, "7.9": Fault.OURS, "7.10": Fault.OURS, "7.11": Fault.OURS, "7.12": Fault.OURS,  # authentication
    "7.14": Fault.OURS,  # trust relationship required
    "7.20": Fault.OURS, "7.21": Fault.OURS, "7.22": Fault.OURS, "7.23": Fault.OURS, "7.24": Fault.OURS,  # DKIM, SPF
    "7.25": Fault.OURS, "7.26": Fault.OURS, "7.27": Fault.OURS,  # reverse DNS, several of them, the sender's null MX
    "7.606": Fault.OURS, "7.700": Fault.OURS, "7.708": Fault.OURS, "7.750": Fault.OURS,  # Exchange: banned, limits
}  # fmt: skip
"""By subject and detail, for 4.x.x and 5.x.x alike; the others are the recipient's, unless the words say otherwise."""

WORDS = re.compile(
    r"""relay(ing)?\s+(access\s+)?(is\s+)?(denied|prohibited|not\s+(permitted|allowed))|unable\s+to\s+relay
    |not\s+permitted\s+to\s+relay|(do|does)\s+not\s+relay|we\s+do\s+not\s+relay|relaying\s+denied
    |client\s+host\s+.*rejected|client\s+.*(blocked|blacklisted|block\s*listed)|\bhelo\b|\behlo\b
    |sender\s+address\s+rejected|sender\s+(verify|verification)\s+failed|sender\s+.*not\s+(owned|allowed|permitted)
    |not\s+allowed\s+to\s+send|authenticat(ion|e)\s+(is\s+)?(required|first|failed)|must\s+(first\s+)?authenticate
    |authentication\s+required|must\s+issue\s+a\s+starttls|starttls\s+(is\s+)?required|encryption\s+required
    |reverse\s+(dns|hostname)|\bptr\b|cannot\s+find\s+your|your\s+(ip|host|server|ip\s+address|mail\s+server)\b
    |spamhaus|spamcop|barracuda|\b(dns|r)bl\b|black\s*list|block\s*list|\bspf\b|\bdkim\b|\bdmarc\b|banned
    |(sending|daily|hourly|rate)\s+(limit|quota)|too\s+many\s+(connections|messages\s+from)|account\s+(is\s+)?suspended
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""What servers say about the client, its name, its sender or its rights, where the code is one for many things."""

AMBIGUOUS = {"", "0.0", "7.0", "7.1"}


OF_THE_RECIPIENT = {"1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.10", "2.0", "2.1", "2.2", "2.3", "2.4"}
"""About an address or a mailbox, whatever the basic code says."""

ADDRESS = re.compile(r"<[^>]*>|\S*@\S*")

GREYLISTED = re.compile(r"gr[ae]y.?list", re.IGNORECASE)

FEWER = re.compile(r"too\s+many|concurrent|thread\s+limit|connection\s+limit|connection\s+rate", re.IGNORECASE)


def fault_of(reply: Reply) -> Fault:
    """Whose fault the refusal is. It is never believed alone: see reminders/outcomes.py."""
    if reply.command == "MAIL FROM":  # the recipient is not known yet
        is_messages = reply.enhanced == "6.7"
        return Fault.RECIPIENT if is_messages else BASIC.get(reply.code, Fault.OURS)
    words = ADDRESS.sub(" ", reply.text)  # an address may hold any word
    if reply.enhanced in OF_THE_RECIPIENT or "recipient address rejected" in words.lower():
        return Fault.RECIPIENT
    if reply.code in BASIC:
        return BASIC[reply.code]
    if reply.enhanced in ENHANCED:
        return ENHANCED[reply.enhanced]
    if reply.enhanced in AMBIGUOUS and WORDS.search(words):
        return Fault.OURS
    return Fault.RECIPIENT


def is_greylisting(text: str) -> bool:
    """Whether a refusal asks a stranger to come again: that says nothing about the next recipient."""
    return bool(GREYLISTED.search(text))


def wants_fewer_connections(reply: Reply) -> bool:
    """Whether the server has enough of our connections, and would take the message on one of them."""
    return reply.code == 432 or (reply.code < 500 and bool(FEWER.search(reply.text)))
