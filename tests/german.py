"""A second language, for tests: a small German catalogue of their own, written as a .po file and compiled."""

import json
from collections.abc import Mapping
from pathlib import Path

HEADER = r"""msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"
"""


TEXTS = {
    "Sign in": "Anmelden",
    "Your preferences are saved.": "Deine Einstellungen sind gespeichert.",
    "There is nothing here.": "Hier ist nichts.",
    "Due %(due)s: %(title)s": "Fällig %(due)s: %(title)s",
    "Due: %(due)s": "Fällig: %(due)s",
    "Open the task": "Aufgabe öffnen",
    "Quarantined: %(file)s, a file of %(title)s": "In Quarantäne: %(file)s, eine Datei von %(title)s",
    "D j M Y": "D j. F Y",
    "D j M Y, H:i": "D j. F Y, H:i",
    "Choose a new password for Taskapp": "Ein neues Passwort für Taskapp",
    "Choose it here:": "Wähle es hier:",
    "There is another tag of this name.": "Es gibt schon ein anderes Tag mit diesem Namen.",
    "“%(value)s” is not a time zone; use an IANA name such as Europe/Berlin.": "„%(value)s“ ist keine Zeitzone.",
    "See the errors of each field.": "Siehe die Fehler der einzelnen Felder.",
    "Away for a moment": "Kurz nicht da",
    "To do": "Zu tun",
    "Low": "Niedrig",
    "due: %(due)s": "fällig: %(due)s",
    "NUL characters are not allowed.": "NUL-Zeichen sind nicht erlaubt.",
}
"""What the catalogue of the tests says. All else is English, as in a catalogue that lags behind."""


def write_catalogue(locale_dir: Path, texts: Mapping[str, str], *, language: str = "de") -> Path:
    """The source of a catalogue that says this."""
    source = locale_dir / language / "LC_MESSAGES" / "django.po"
    source.parent.mkdir(parents=True, exist_ok=True)
    entries = [f"msgid {quoted(text)}\nmsgstr {quoted(said)}\n" for text, said in texts.items()]
    source.write_text("\n".join([HEADER, *entries]), encoding="utf-8")
    return source


def quoted(text: str) -> str:
    """JSON escapes what a catalogue escapes."""
    return json.dumps(text, ensure_ascii=False)
