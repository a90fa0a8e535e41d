"""`python3 -m launcher …`. This file and the package's __init__ are all that an old Python ever sees: no
newer syntax here.
"""

import sys

OLDEST = (3, 11)


def main(arguments: "list[str]") -> int:
    if sys.version_info < OLDEST:
        sys.stderr.write(
            f"Taskapp needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}: "
            "install one, or name one that you have, like this: make run PYTHON=python3.12\n"
        )
        return 1
    # Compiled files are what makes the next start fast, whatever PYTHONDONTWRITEBYTECODE says.
    sys.dont_write_bytecode = False
    # Not at the top: an old Python could not even read the rest, and its user would see a SyntaxError instead
    # of a sentence.
    from launcher.command import main as command  # noqa: PLC0415

    return command(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
