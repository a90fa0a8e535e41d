"""Links by which a person stops the mail without signing in. They carry a signature and never end.

The one who holds the link may use it, which is whoever has the mail; it opens nothing but this one switch.
"""

from django.conf import settings
from django.contrib.auth.models import User
from django.core.signing import BadSignature, Signer
from django.urls import reverse

SIGNER = Signer(salt="accounts.unsubscribe")


def unsubscribe_url(user_id: int) -> str:
    """For the List-Unsubscribe header and the foot of a mail. A POST to it unsubscribes (RFC 8058)."""
    return f"{settings.PUBLIC_URL}{reverse('unsubscribe', args=[SIGNER.sign(str(user_id))])}"


def find_subscriber(signed: str) -> User | None:
    """Whom a link is about; None if we did not sign it, or they have gone."""
    try:
        return User.objects.filter(pk=int(SIGNER.unsign(signed))).first()
    except BadSignature:
        return None
