"""Tasks and tags. Knows nothing of reminders."""
