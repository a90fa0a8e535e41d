"""Who is told, when, how, and did it arrive."""
