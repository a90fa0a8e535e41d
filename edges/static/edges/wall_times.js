// Shows behind each date and time the zone in which it is meant, as it is chosen in the same form. Without this the page
// shows the zone that is stored.
"use strict";

(function () {
  const nameOf = (field) => document.querySelector(`[name="${field}"]`);

  function showZone(wallTime) {
    const select = nameOf(wallTime.dataset.zoneSelect);
    if (!select) {
      return;
    }
    const chosen = select.selectedOptions[0];
    // A crontab ends with its zone; and so does a zone.
    const zone = chosen && chosen.value ? chosen.text.trim().split(" ").pop() : wallTime.dataset.defaultZone;
    wallTime.querySelector(".zone").textContent = zone;
  }

  function showTime(wallTime) {
    const allDay = nameOf(wallTime.dataset.allDay);
    if (allDay) {
      wallTime.querySelector('input[type="time"]').hidden = allDay.checked;
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    const wallTimes = document.querySelectorAll(".wall-time");
    const show = () => wallTimes.forEach((each) => [showZone, showTime].forEach((part) => part(each)));
    document.addEventListener("change", show);
    // jQuery's too: the admin's pop-ups tell of changes by it alone.
    window.django?.jQuery(document).on("change", show);
    show();
  });
})();
