"""A user who is deleted takes all of theirs along. Planning and that wait for each other, since they would cross."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from reminders.planning import hold_planning


@receiver(pre_delete, sender=User)
def wait_for_planning(sender: type[User], instance: User, **kwargs: Any) -> None:
    hold_planning()
    # The owner before the tasks, as an upload locks them.
    User.objects.select_for_update().filter(pk=instance.pk).first()
