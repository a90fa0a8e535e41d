"""What dependable work is made of: claim, lease, backoff, breaker, bell, step. No noun of the product stands here."""
