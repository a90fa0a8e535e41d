"""The channels: where a person can be reached. Adding one is a file here and a line in CHANNELS."""

from reminders.channels.base import Channel
from reminders.channels.email import EmailChannel

EMAIL = "email"

CHANNELS: dict[str, type[Channel]] = {EMAIL: EmailChannel}
