"""What stands behind a date and a time in a browser: the zone that is chosen in the same form."""

import re
import subprocess
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.utils.html import escape

from edges.wall_times import WallTimeField, say_zone

PAGE = """<!DOCTYPE html><title>A form</title>
<script>{script}</script>
<form>
  {field}
  <select name="crontab">{options}</select>
  <input type="checkbox" name="all_day">
</form>
<script>
  addEventListener("DOMContentLoaded", () => {{
    const change = (name, how) => {{
      how(document.querySelector(`[name=${{name}}]`));
      document.querySelector(`[name=${{name}}]`).dispatchEvent(new Event("change", {{ bubbles: true }}));
    }};
    {changes}
  }});
</script>
"""
CRONTABS = ["", "0 9 * * * (m/h/dM/MY/d) Asia/Tokyo", "0 9 * * * (m/h/dM/MY/d) Europe/Berlin"]


def shown(directory: Path, changes: str) -> str:
    """The field in the document that Chromium makes of the page, after these changes."""
    field = WallTimeField(zone_select="crontab", all_day="all_day")
    say_zone(field, "Europe/Berlin", default_zone="America/New_York")
    options = "".join(f'<option value="{number or ""}">{escape(text)}' for number, text in enumerate(CRONTABS))
    script = Path(str(finders.find("edges/wall_times.js"))).read_text()
    page = directory / "page.html"
    page.write_text(
        PAGE.format(script=script, field=field.widget.render("start", None), options=options, changes=changes)
    )
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={directory}/profile"]
    dumped = subprocess.run(
        [*command, "--dump-dom", page.as_uri()], check=True, capture_output=True, text=True, timeout=60
    ).stdout
    found = re.search(r'<span class="wall-time".*?</span>', dumped, re.DOTALL)
    assert found, dumped
    return found[0]


@pytest.mark.system("chromium")
def test_the_zone_follows_what_is_chosen_and_the_time_goes_for_a_whole_day(tmp_path):
    assert ">America/New_York</output>" in shown(tmp_path, "")

    field = shown(
        tmp_path, 'change("crontab", (each) => each.value = "1"); change("all_day", (each) => each.checked = true);'
    )

    assert ">Asia/Tokyo</output>" in field
    assert re.search(r'<input type="time"[^>]* hidden', field)
