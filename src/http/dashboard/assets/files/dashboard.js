// What pages do beside htmx: keyboard, relative times, charts, live parts, confirmations. Everything is readable without it.
(() => {
  const each = (root, selector, work) => {
    if (root.matches?.(selector)) work(root);
    for (const element of root.querySelectorAll(selector)) work(element);
  };

  // The same rule as `ago` of the server.
  const UNITS = [
    ["d", 86400000],
    ["h", 3600000],
    ["min", 60000],
    ["s", 1000],
  ];
  const ago = (ms) => {
    const [unit, size] = UNITS.find(([, size]) => Math.abs(ms) >= size) ?? ["s", 1000];
    const n = Math.floor(Math.abs(ms) / size);
    if (n === 0) return "just now";
    return ms > 0 ? `${n} ${unit} ago` : `in ${n} ${unit}`;
  };
  const refreshTimes = () =>
    each(document, "time[data-ago]", (time) => {
      const text = ago(Date.now() - Date.parse(time.dateTime));
      if (time.textContent !== text) time.textContent = text;
    });
  setInterval(refreshTimes, 5000);

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // In seconds, as uPlot has times.
  const DAYS = [1, 2, 7, 14, 28, 91, 182, 364].map((days) => days * 86400);
  const SHORT = new Intl.NumberFormat("en", { notation: "compact" });
  const DAY = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", timeZone: "UTC" });
  const dayOf = (at) => DAY.format(at * 1000);
  const draw = (figure) => {
    const { keys, series } = JSON.parse(figure.dataset.chart);
    if (!window.uPlot || keys.length < 2) return;
    const svg = figure.querySelector("svg");
    const height = svg.getBoundingClientRect().height || 160;
    const times = keys.map((key) => Date.parse(key.slice(0, 10)) / 1000);
    const areDays =
      keys.every((key) => /^\d{4}-\d\d-\d\d$/.test(key)) &&
      times.every((at, n) => n === 0 || at > times[n - 1]);
    const axis = {
      stroke: color("--quiet"),
      grid: { stroke: color("--line"), width: 1 },
      ticks: { show: false },
    };
    const plot = new window.uPlot(
      {
        width: Math.max(200, figure.clientWidth),
        height,
        // Days are those of the zone that was asked for: shown as they are written, whatever the browser's zone.
        tzDate: (ts) => window.uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
        scales: { x: { time: areDays }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.05)] } },
        axes: [
          areDays
            ? { ...axis, space: 60, incrs: DAYS, values: (_, at) => at.map(dayOf) }
            : { ...axis, values: (_, at) => at.map((n) => keys[n] ?? "") },
          { ...axis, size: 48, values: (_, at) => at.map((n) => SHORT.format(n)) },
        ],
        series: [
          areDays
            ? {
                label: "day",
                value: (_, at) => (at === null ? "" : new Date(at * 1000).toISOString().slice(0, 10)),
              }
            : { label: "from", value: (_, n) => keys[n] ?? "" },
          ...series.map(({ name }, n) => ({ label: name, stroke: color(`--line-${n + 1}`), width: 1.6 })),
        ],
      },
      [areDays ? times : keys.map((_, n) => n), ...series.map(({ values }) => values)],
    );
    svg.after(plot.root);
    figure.classList.add("drawn");
    new ResizeObserver(() => {
      const width = Math.max(200, figure.clientWidth);
      if (figure.isConnected && width !== plot.width) plot.setSize({ width, height });
    }).observe(figure);
  };

  // All who look on come back at different moments.
  const againMs = () => 3000 + Math.random() * 3000;
  // `data-live`: a stream of the mirror's. `replace` brings the whole content, `prepend` rows of a list, of which `data-most` stay.
  const REACHED = "a[href], button, summary, [tabindex]";
  const nameOf = (one) => one.id || one.getAttribute("href") || one.parentElement.id;
  const follow = (element) => {
    let source;
    let again;
    let last = "";
    // What came and isn't shown yet. A press is a click only if what was pressed still stands when it is let go.
    let due = null;
    const show = () => {
      if (due === null || element.matches(":active")) return;
      const html = due;
      due = null;
      const focused = element.contains(document.activeElement) ? nameOf(document.activeElement) : "";
      const folded = new Map([...element.querySelectorAll("details[id]")].map(({ id, open }) => [id, open]));
      element.innerHTML = html;
      for (const [id, isOpen] of folded) document.getElementById(id)?.toggleAttribute("open", isOpen);
      if (focused) [...element.querySelectorAll(REACHED)].find((one) => nameOf(one) === focused)?.focus();
      prepare(element, true);
    };
    for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => setTimeout(show));
    const open = () => {
      const address = new URL(element.dataset.live, window.location.href);
      // After a pause it goes on where it stopped.
      if (last) address.searchParams.set("after", last);
      source = new EventSource(address);
      source.addEventListener("replace", ({ data }) => {
        due = JSON.parse(data);
        show();
      });
      source.addEventListener("prepend", ({ data, lastEventId }) => {
        last = lastEventId;
        element.insertAdjacentHTML("afterbegin", JSON.parse(data));
        const most = Number(element.dataset.most ?? 200);
        while (element.children.length > most) element.lastElementChild.remove();
        element.dispatchEvent(new CustomEvent("mirror:prepended", { bubbles: true }));
      });
      source.addEventListener("end", () => {
        source.close();
        element.dataset.ended = "";
      });
      // A browser tries again by itself where a connection fails, and no more where it is answered otherwise, as while the database is away.
      source.addEventListener("error", ({ target }) => {
        if (target.readyState !== EventSource.CLOSED) return;
        again = setTimeout(open, againMs());
      });
    };
    const close = () => {
      clearTimeout(again);
      source?.close();
    };
    open();
    window.addEventListener("pagehide", close);
    element.addEventListener("mirror:pause", close);
    element.addEventListener("mirror:resume", open);
  };

  const prepare = (root, isPart) => {
    each(root, "[data-chart]", draw);
    if (!isPart) each(root, "[data-live]", follow);
    if (isPart) window.htmx?.process(root);
    refreshTimes();
  };

  // A button with `data-pause="#id"` stops a live part, and starts it again.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-pause]");
    if (!button) return;
    const isPaused = button.getAttribute("aria-pressed") === "true";
    button.setAttribute("aria-pressed", String(!isPaused));
    document
      .querySelector(button.dataset.pause)
      ?.dispatchEvent(new Event(isPaused ? "mirror:resume" : "mirror:pause"));
  });

  // A filter or a choice that sends its form when it changes.
  document.addEventListener("change", (event) => {
    if (event.target.closest?.("[data-submit]")) event.target.form?.requestSubmit();
  });

  let isGoing = false;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    if (isGoing) {
      isGoing = false;
      const link = document.querySelector(`[data-key="g ${CSS.escape(event.key)}"]`);
      if (link) link.click();
      return;
    }
    if (event.key === "g") {
      isGoing = true;
      setTimeout(() => (isGoing = false), 1500);
    } else if (event.key === "?") {
      document.getElementById("shortcuts")?.showModal();
    } else if (event.key === "/") {
      const search = document.querySelector("input[type=search]");
      if (search) {
        event.preventDefault();
        search.focus();
      }
    }
  });

  document.addEventListener("DOMContentLoaded", () => {
    prepare(document);
    // Where the navigation is wider than the screen.
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const { status } = detail.xhr;
    // A session that has ended answers with the sign-in page.
    if (status === 401) window.location.reload();
    // Pages say themselves what is wrong. A proxy's own page has nothing to put here, and would empty the place.
    const isOurs = detail.xhr.getResponseHeader("x-request-id") !== null;
    if (isOurs && [400, 403, 404, 422, 429, 502, 503].includes(status)) detail.shouldSwap = true;
    if (status < 400) document.getElementById("problem")?.replaceChildren();
  });
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    each(detail.elt, "[data-chart]:not(.drawn)", draw);
    refreshTimes();
  });
})();
