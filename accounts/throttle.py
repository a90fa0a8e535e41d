"""How often a name may be tried from an address: ten attempts within any minute, until one succeeds.

An attempt is written down before the password is looked at, in one statement that also decides, so attempts
made at the same moment cannot pass the limit together: the row lock puts them in line. An attempt whose
process dies stays written down. Success erases the pair. Refused attempts are not written down, so whoever
waits for as long as Retry-After says is let through. The clock is PostgreSQL's.

The row holds the times of the latest ten attempts; while all are younger than a minute, the next is refused.
A name counts in the form that Unicode normalisation, case folding and the removal of spaces leave of it.
"""

import unicodedata
from hashlib import sha256
from math import ceil

from django.db import connection

from accounts.client import network_of
from accounts.errors import TooManyAttemptsError
from accounts.models import LoginThrottle

ATTEMPTS = 10
LONGEST_NAME = 254
"""No user has a longer name; what is typed behind it makes no difference."""

# Index: the primary key.
ADMIT = """
    INSERT INTO accounts_loginthrottle AS pair (key, attempted_at)
    VALUES (%(key)s, ARRAY[clock_timestamp()])
    ON CONFLICT (key) DO UPDATE
    SET attempted_at = (pair.attempted_at || clock_timestamp())
                       [cardinality(pair.attempted_at) + 2 - %(attempts)s :]
    WHERE cardinality(pair.attempted_at) < %(attempts)s
       OR pair.attempted_at[1] <= clock_timestamp() - interval '1 minute'
    RETURNING key
"""
UNTIL_FREE = """
    SELECT extract(epoch FROM attempted_at[1] + interval '1 minute' - clock_timestamp())
    FROM accounts_loginthrottle WHERE key = %(key)s
"""
PRUNE = """
    DELETE FROM accounts_loginthrottle
    WHERE attempted_at[cardinality(attempted_at)] <= clock_timestamp() - interval '1 minute'
"""


def pair_key(username: str, address: str) -> str:
    """What a name and an address are counted under, of fixed length."""
    folded = unicodedata.normalize("NFKC", username[:LONGEST_NAME]).casefold()
    name = "".join(unicodedata.normalize("NFKC", folded).split())
    return sha256(f"{name}\0{network_of(address)}".encode(errors="backslashreplace")).hexdigest()


def admit_attempt(key: str) -> None:
    """Write down one attempt for this pair, or raise TooManyAttemptsError."""
    with connection.cursor() as cursor:
        cursor.execute(ADMIT, {"key": key, "attempts": ATTEMPTS})
        if cursor.fetchone():
            return
        cursor.execute(UNTIL_FREE, {"key": key})
        row = cursor.fetchone()
    raise TooManyAttemptsError(retry_after=max(1, ceil(row[0])) if row else 1)


def forget_attempts(key: str) -> None:
    """Somebody proved to be who they said they are."""
    LoginThrottle.objects.filter(key=key).delete()


def prune_attempts() -> int:
    """Delete the pairs that no attempt of the last minute belongs to; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(PRUNE)
        return int(cursor.rowcount)
