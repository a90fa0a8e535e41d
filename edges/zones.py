"""What the clocks of a zone show, and when. Pure: no clock, no database, no setting."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo


def zone_or_utc(name: str) -> tzinfo:
    """The zone of that name; UTC for a name that is none, which only SQL can bring into a row."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; not such a name; a folder
        return UTC


def instants_shown(wall: datetime, zone: tzinfo) -> list[datetime]:
    """The UTC instants at which clocks of the zone show this: none in a gap, two where they are set back."""
    try:
        found = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
        return sorted(each for each in found if each.astimezone(zone).replace(tzinfo=None, fold=0) == wall)
    except OverflowError:  # an offset would lead out of the calendar
        return [wall.replace(tzinfo=UTC)]


def city(zone: str) -> str:
    """Berlin for Europe/Berlin, UTC for UTC."""
    return zone.rpartition("/")[2].replace("_", " ")


def day_in_words(moment: datetime, now: datetime) -> str:
    """Thu 3 Dec; with the year if that is not the present one. Both are local."""
    year = "" if moment.year == now.year else f" {moment.year}"
    return f"{moment:%a} {moment.day} {moment:%b}{year}"


def moment_in_words(moment: datetime, zone: str, now: datetime) -> str:
    """An instant as the clocks of the zone show it: Thu 3 Dec, 09:00 Berlin. An hour that comes twice says which."""
    known = zone_or_utc(zone)
    local = moment.astimezone(known)
    time = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    is_twice = len(instants_shown(local.replace(tzinfo=None, fold=0), known)) > 1
    return f"{day_in_words(local, now.astimezone(known))}, {time} {f'{local:%Z} ' if is_twice else ''}{city(zone)}"
