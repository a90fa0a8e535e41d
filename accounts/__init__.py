"""Who comes in, and how: API tokens, sign-in and its limit, preferences. Knows nothing of tasks."""
