// Shows when a schedule would run that has what stands in the form. Without this the page lacks that, and no more.
"use strict";

(function () {
  const FIELDS = [
    "interval", "crontab", "clocked", "one_off", "start_time_0", "start_time_1", "expires_0", "expires_1",
    "minute", "hour", "day_of_month", "month_of_year", "day_of_week", "timezone",
  ];
  let asked = 0;

  async function show(preview, form) {
    const data = new FormData(form);
    const query = new URLSearchParams(FIELDS.filter((name) => data.has(name)).map((name) => [name, data.get(name)]));
    const own = ++asked;
    let told;
    try {
      const response = await fetch(`${preview.dataset.url}?${query}`, { headers: { Accept: "application/json" } });
      told = await response.json();
    } catch {
      return;
    }
    if (own !== asked) {
      return; // a later question was answered before
    }
    const [problem, words] = preview.querySelectorAll("p");
    problem.textContent = told.problem || "";
    problem.className = told.problem ? "errornote" : ""; // the admin's style of it shows even what is hidden
    words.textContent = told.schedule || "";
    preview.querySelector("ol").replaceChildren(
      ...(told.moments || []).map((moment) => {
        const item = document.createElement("li");
        item.textContent = moment;
        return item;
      })
    );
    preview.hidden = false;
  }

  document.addEventListener("DOMContentLoaded", () => {
    const preview = document.getElementById("preview");
    if (!preview) {
      return;
    }
    const form = preview.closest("form");
    // jQuery's too: the admin's own pop-ups and calendars tell of changes by it alone.
    const ask = (event) => FIELDS.includes(event.target.name) && show(preview, form);
    form.addEventListener("change", ask);
    window.django.jQuery(form).on("change", ask);
  });
})();
