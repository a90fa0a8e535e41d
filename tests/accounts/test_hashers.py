"""Passwords are hashed at a price that a small machine can pay for several people at once."""

from django.contrib.auth.hashers import check_password, make_password

from accounts.hashers import SmallArgon2PasswordHasher


def test_the_price_is_owasps_minimum_of_argon2id():
    encoded = SmallArgon2PasswordHasher().encode("secret", "saltsaltsalt")

    assert encoded.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_password_made_with_another_price_is_still_known_and_made_anew():
    class Costly(SmallArgon2PasswordHasher):
        time_cost = 3

    encoded = Costly().encode("secret", "saltsaltsalt")

    assert SmallArgon2PasswordHasher().verify("secret", encoded)
    assert SmallArgon2PasswordHasher().must_update(encoded)


def test_django_uses_it(settings):
    settings.PASSWORD_HASHERS = ["accounts.hashers.SmallArgon2PasswordHasher"]

    assert check_password("secret", make_password("secret"))
