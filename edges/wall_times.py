"""A date and a time of day in a form that also has a zone: they are shown and read in that zone.

The field gives a WallTime, which names no instant yet. The form calls `instant_of` once it knows the zone, so that both
can be changed at once: what is typed is meant in the zone that stands beside it. What stands in the form unchanged, in
the zone that was shown, is the instant that is stored, with its fold and its microseconds.
"""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError

from edges.zones import instants_shown, zone_or_utc


class WallTime(NamedTuple):
    """What a calendar and a clock show; of a whole day no clock."""

    day: date
    time: time | None


def shown(moment: datetime | None, zone: str) -> WallTime | None:
    """An instant as a form shows it: to the second."""
    if moment is None:
        return None
    local = moment.astimezone(zone_or_utc(zone))
    return WallTime(local.date(), local.time().replace(microsecond=0))


def instant_of(wall: WallTime | None, zone: str, *, stored: datetime | None = None) -> datetime | None:
    """The instant that is meant in the zone: the stored one if that is shown so, of two the first.

    Raises ValidationError where there is none, since the time is missing or clocks leave it out.
    """
    if wall is None:
        return None
    if wall.time is None:
        raise ValidationError("Give a time of day, too.", code="incomplete")
    if stored is not None and shown(stored, zone) == wall:
        return stored
    found = instants_shown(datetime.combine(wall.day, wall.time), zone_or_utc(zone))
    if not found:
        raise ValidationError(
            f"Clocks in {zone} are set forward on that day and never show {wall.time:%H:%M}.", code="gap"
        )
    return found[0]


class DateInput(forms.DateInput):
    input_type = "date"


class TimeInput(forms.TimeInput):
    input_type = "time"


class WallTimeWidget(forms.MultiWidget):
    """The browser's own controls, with the zone behind them: the admin's shortcuts and its note on the time are about
    the server's zone.

    `zone_select` is the name of the field by which the zone is chosen, `all_day` of the one that takes the time away.
    """

    template_name = "edges/wall_time.html"

    class Media:
        css = {"all": ["edges/wall_times.css"]}
        js = ["edges/wall_times.js"]

    def __init__(self, *, zone_select: str = "", all_day: str = "") -> None:
        self.zone, self.default_zone, self.zone_select, self.all_day = "", "", zone_select, all_day
        date_input = DateInput(attrs={"aria-label": "Date", "max": "8999-12-31"}, format="%Y-%m-%d")
        time_input = TimeInput(attrs={"aria-label": "Time", "step": "1"}, format="%H:%M:%S")
        super().__init__([date_input, time_input])

    def decompress(self, value: WallTime | None) -> Sequence[Any]:
        return value or (None, None)

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        zone = {
            "zone": self.zone, "default_zone": self.default_zone, "zone_select": self.zone_select,
            "all_day": self.all_day,
        }  # fmt: skip
        return {**super().get_context(name, value, attrs), **zone}


class WallTimeField(forms.MultiValueField):
    widget: WallTimeWidget

    def __init__(self, *, zone_select: str = "", all_day: str = "", **kwargs: Any) -> None:
        fields = (forms.DateField(required=False), forms.TimeField(required=False))
        widget = WallTimeWidget(zone_select=zone_select, all_day=all_day)
        super().__init__(fields, widget=widget, require_all_fields=False, **{"required": False, **kwargs})

    def compress(self, data_list: Any) -> WallTime | None:
        day, at = data_list or (None, None)
        if day is None and at is None:
            return None
        if day is None:
            raise ValidationError("Give a date, too.", code="incomplete")
        return WallTime(day, at)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether another day or time stands there than was shown."""
        try:
            return bool(self.clean(data) != initial)
        except ValidationError:
            return True


class WallTimesForm(forms.BaseForm):
    """For forms with such fields: say in which zone each is shown."""

    def show_in(self, zone: str, moments: dict[str, datetime | None], *, default_zone: str = "") -> None:
        """`default_zone`: the one that is meant where none is chosen."""
        for name, moment in moments.items():
            if name in self.fields:
                self.initial[name] = shown(moment, zone)
                say_zone(self.fields[name], zone, default_zone=default_zone)

    def read_in(self, zone: str, stored: dict[str, datetime | None], *, was: str) -> set[str]:
        """Put instants in place of what was typed, and `stored` ones where nothing was, in the zone that was shown.

        Return the fields of which the instant is another one now.
        """
        for name in stored.keys() & self.fields.keys() & self.cleaned_data.keys():
            try:
                is_as_shown = zone == was and name not in self.changed_data
                wall, before = self.cleaned_data[name], stored[name]
                self.cleaned_data[name] = before if is_as_shown else instant_of(wall, zone, stored=before)
            except ValidationError as error:
                self.add_error(name, error)
        return {name for name in stored.keys() & self.cleaned_data.keys() if self.cleaned_data[name] != stored[name]}


def say_zone(field: forms.Field, zone: str, *, default_zone: str = "") -> None:
    field.widget.zone, field.widget.default_zone = zone, default_zone
