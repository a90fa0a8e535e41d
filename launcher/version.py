"""The version of Taskapp, in one place. CHANGELOG.md says what each one brought."""

__version__ = "0.1.0"
