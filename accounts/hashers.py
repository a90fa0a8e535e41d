"""How passwords are hashed."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class SmallArgon2PasswordHasher(Argon2PasswordHasher):
    """argon2id at OWASP's minimum: 19 MiB, 2 passes, 1 lane.

    Django's default takes 100 MiB and 8 lanes for each check: 800 MB for eight people at once.
    https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
    """

    memory_cost = 19_456
    time_cost = 2
    parallelism = 1
