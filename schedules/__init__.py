"""When jobs run. Imports nothing of ours: what a schedule wakes for is a dotted name in the settings."""
