#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from django.core.management import execute_from_command_line

from launcher.version import __version__

if __name__ == "__main__":
    if sys.argv[1:] == ["--version"]:
        sys.exit(print(f"Taskapp {__version__}"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    execute_from_command_line(sys.argv)
