// Draws a page's charts from the rows beside them. It computes no value and makes no text, and no text of the data becomes
// markup or a pattern. A file a kind registers kinds[kind] = (told, draw) => ({ option, pick, place, isCanvas }).
"use strict";
(() => {
  const root = document.documentElement;
  const PRINT_WIDTH = 1040;
  const MOST_BARS = 60;
  const drawn = [];
  // A token may be of light and dark: only as a colour of something is it one of the two; a dear look, once a theme.
  const probe = document.createElement("i");
  const colours = new Map();
  const colour = (name) => {
    if (!colours.has(name)) {
      probe.style.color = `var(--${name})`;
      colours.set(name, getComputedStyle(probe).color);
    }
    return colours.get(name);
  };
  const isRtl = () => root.dir === "rtl";
  const number = new Intl.NumberFormat(root.lang || "en", { maximumFractionDigits: 6 });
  const written = (value) => (isRtl() ? number.format(value) : number.format(value).replace("-", "−"));
  const address = () => new URL(location.href);

  function build(tag, attributes, ...inside) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...inside);
    return element;
  }

  // What the files of the kinds make their options of. Every formatter is a function: ECharts reads patterns in strings.
  const draw = {
    colour, isRtl,
    ink: (row) => colour(row.energy || row.role),
    isDense: (told) => told.x.length > MOST_BARS,
    words: (size = 11.5, name = "ink-3") => ({ color: colour(name), fontSize: size }),
    grid: (more = {}) => ({ left: isRtl() ? 14 : 52, right: isRtl() ? 52 : 14, top: 16, bottom: 26, ...more }),
    places(told, more = {}) {
      const ticks = new Map(told.ticks);
      return {
        type: "category", data: told.x, inverse: isRtl(), axisTick: { show: false }, axisPointer: { show: false },
        axisLine: { lineStyle: { color: colour("line-2") } },
        axisLabel: {
          ...draw.words(), hideOverlap: true, interval: ticks.size ? (at) => ticks.has(at) : "auto",
          formatter: (name, at) => ticks.get(at) ?? name,
        },
        ...more,
      };
    },
    values: (more = {}) => ({
      type: "value", position: isRtl() ? "right" : "left", splitNumber: 4, axisLine: { show: false }, axisTick: { show: false },
      axisPointer: { show: false }, axisLabel: { ...draw.words(), formatter: written },
      splitLine: { lineStyle: { color: colour("line") } }, ...more,
    }),
    line(row, more = {}) {
      const dashes = { expected: [6, 4], third: [2, 3], fourth: [8, 3, 2, 3] };
      return {
        type: "line", data: row.values, step: row.style === "steps" && "middle", itemStyle: { color: draw.ink(row) },
        // A value between two gaps has no line.
        showSymbol: row.style !== "steps" && row.values.length < 32, symbol: "circle", symbolSize: 5, emphasis: { disabled: true },
        lineStyle: { color: draw.ink(row), width: row.style === "steps" ? 1.5 : 2, type: dashes[row.role] || "solid" }, ...more,
      };
    },
    // Two unseen series: the lower edge and the width.
    band(row, at) {
      const edge = { type: "line", stack: `band-${at}`, stackStrategy: "all", silent: true, showSymbol: false, lineStyle: { opacity: 0 } };
      const between = row.high.map((value, place) => (value === null || row.low[place] === null ? null : value - row.low[place]));
      const shade = row.role === "saved" ? { color: draw.ink(row), opacity: 0.2 } : { color: colour("band"), opacity: 0.9 };
      return [{ ...edge, data: row.low }, { ...edge, data: between, areaStyle: shade }];
    },
    // A limit as a dashed line with its name, events as thin ones.
    marked(told, series) {
      const limit = told.limit ? [{ yAxis: told.limit.value, ...draw.mark(told.limit.label, "ink-2", "insideStartTop") }] : [];
      const events = told.events.map(([at, text]) => ({ xAxis: at, ...draw.mark(text, "ink-3", "end") }));
      if (!limit.length && !events.length) return series;
      return [...series, { type: "line", data: [], markLine: { silent: true, symbol: "none", data: [...limit, ...events] } }];
    },
    mark: (text, name, position) => ({
      lineStyle: { color: colour(name), type: "dashed", width: 1 },
      label: { formatter: () => text, position, color: colour(name), fontSize: 11 },
    }),
    // Of long spans a part at a time, without asking the server.
    zoom: (told) => (told.time_zone && told.x.length > 150 ? [{
      type: "slider", height: 26, bottom: 4, brushSelect: false, showDetail: false, borderColor: colour("line"),
      backgroundColor: colour("sunken"), fillerColor: colour("shade"),
      dataBackground: shadow("expected"), selectedDataBackground: shadow("measured"),
      handleStyle: { color: colour("surface"), borderColor: colour("ink-3") }, moveHandleStyle: { color: colour("line-2") },
    }] : undefined),
  };

  function shadow(name) {
    return { lineStyle: { color: colour(name), width: 1 }, areaStyle: { color: colour(name), opacity: 0.25 } };
  }

  class Chart {
    constructor(figure) {
      this.figure = figure;
      this.told = JSON.parse(figure.querySelector("script").textContent);
      // A run of days: its first day and their count.
      const day = (first, at) => new Date(Date.parse(first) + at * 864e5).toISOString().slice(0, 10);
      this.told.x = this.told.x.flatMap((each) => (each.map ? Array.from({ length: each[1] }, (_, at) => day(each[0], at)) : each));
      this.place = figure.querySelector(".plot");
      this.lines = [...figure.querySelectorAll("tbody tr")];
      this.heads = [...figure.querySelectorAll("thead th")].map((head) => head.textContent.trim());
      const hidden = (address().searchParams.get("hide") || "").split(",");
      this.shown = this.told.rows.map((row, at) => this.isAxis(at) || (row.style !== "none" && !hidden.includes(row.energy || row.role)));
      [this.at, this.row, this.from, this.plot] = [-1, null, null, null];
      this.prepare();
    }

    prepare() {
      const { told } = this;
      this.legend = build("ul", { class: "legend" });
      if (!["heat", "flow", "bridge"].includes(told.kind) && !this.isTree()) {
        // A level of a plan has a lane, which names it; what was measured has the colour of what is planned.
        const isKnown = (row) => row.style === "none" || (told.kind === "plan" && (row.unit === "%" || (row.energy && row.style === "steps")));
        const named = told.rows.map((row, at) => !isKnown(row) && !this.isAxis(at) && this.entry(row, at)).filter(Boolean);
        if (named.length > 1) this.legend.append(...named);
      }
      this.tip = build("div", { class: "tip", hidden: "" });
      this.cursor = build("span", { class: "cursor", hidden: "" });
      this.marked = build("span", { class: "marked", hidden: "" });
      this.said = build("p", { class: "readout unseen", "aria-live": "polite" });
      this.drawing = build("div", { class: "drawing" });
      const lanes = told.x.filter((_, at) => !this.isTree() || !told.above.includes(at)).length;
      if (["ranked", "tree"].includes(told.kind)) this.place.style.blockSize = `${lanes * 34 + 8}px`;
      this.place.append(this.drawing, this.cursor, this.marked, this.tip);
      this.place.after(this.legend, this.said);
      const attributes = { tabindex: "0", role: "group", "aria-roledescription": "chart", "aria-label": `${told.title}. ${this.keys()}` };
      for (const [name, value] of Object.entries(attributes)) this.place.setAttribute(name, value);
      if (!this.figure.querySelector(".csv")) this.figure.querySelector("details").append(this.file());
      this.place.addEventListener("keydown", (event) => this.key(event));
      this.place.addEventListener("pointermove", (event) => this.move(event));
      this.place.addEventListener("pointerdown", (event) => this.press(event));
      this.place.addEventListener("pointerup", (event) => this.let(event));
      this.place.addEventListener("pointerleave", () => this.from === null && this.hide());
      this.place.addEventListener("dblclick", () => this.back());
    }

    // The first row of a scatter is its axis.
    isAxis(at) {
      return this.told.kind === "scatter" && at === 0;
    }

    // On a narrow screen the names of a tree have no room.
    isTree() {
      return this.told.kind === "tree" && this.place.clientWidth > 560;
    }

    entry(row, at) {
      const swatch = build("span", { class: `swatch as-${row.style || this.told.kind}` });
      swatch.style.color = draw.ink(row);
      swatch.dataset.row = at;
      const button = build("button", { type: "button", "aria-pressed": this.shown[at] }, swatch, row.label);
      button.addEventListener("click", () => this.toggle(at, button));
      return build("li", {}, button);
    }

    keys() {
      const why = this.told.whys || this.figure.querySelector("a.num") ? "Enter opens why." : "";
      const mark = this.told.time_zone ? "Shift and arrows mark days, Enter shows them." : "";
      return `Arrows move from point to point, Escape leaves. ${why} ${mark}`.trim();
    }

    drawOnce() {
      if (!this.plot) this.draw();
    }

    draw() {
      const rows = this.told.rows.map((row, at) => ({ ...row, at })).filter((row) => this.shown[row.at]);
      this.made = kinds[this.told.kind]({ ...this.told, rows }, draw, this);
      const isPrinted = root.classList.contains("printing");
      const size = isPrinted ? { width: PRINT_WIDTH } : {};
      this.plot = echarts.init(this.drawing, null, { renderer: this.made.isCanvas && !isPrinted ? "canvas" : "svg", ...size });
      this.plot.setOption({ animation: false, textStyle: { fontFamily: getComputedStyle(document.body).fontFamily }, ...this.made.option });
      this.place.classList.toggle("zoomed", Boolean(this.made.option.dataZoom));
      this.size = this.asLarge();
      if (this.made.ready) this.made.ready(this.plot);
    }

    asLarge() {
      return `${this.place.clientWidth} ${this.place.clientHeight}`;
    }

    fit() {
      if (!this.plot || this.size === this.asLarge()) return;
      this.size = this.asLarge();
      this.plot.resize();
    }

    // Which place, and of a chart of cells which row, lies under a point of the plot.
    pick(event) {
      this.drawOnce();
      const box = this.drawing.getBoundingClientRect();
      const point = [event.clientX - box.left, event.clientY - box.top];
      const isInside = Array.from({ length: this.made.grids || 1 }, (_, gridIndex) => this.plot.containPixel({ gridIndex }, point));
      if (!this.made.pick || !isInside.includes(true)) return null;
      return this.made.pick(this.plot, point);
    }

    pixel(at) {
      return this.made.place(this.plot, at, this.row);
    }

    show(at, row = null) {
      if (!this.lines[at]) return;
      this.drawOnce();
      [this.at, this.row] = [at, row];
      const cells = [...this.lines[at].cells].map((cell) => cell.textContent.trim());
      const dl = build("dl", {});
      this.told.rows.forEach((each, index) => {
        const text = cells[index + 1];
        if (row === null ? !text || text === "–" && this.told.rows.length > 6 || !(this.shown[index] || each.style === "none") : row !== index) return;
        const swatch = build("span", { class: "swatch as-bars" });
        swatch.style.color = row === null ? draw.ink(each) : colour("measured");
        dl.append(build("dt", {}, ...(each.style === "none" ? [] : [swatch]), each.label), build("dd", {}, each.unit && text !== "–" ? `${text} ${each.unit}` : text));
      });
      const remark = cells[this.told.rows.length + 1];
      this.tip.replaceChildren(build("strong", {}, cells[0]), dl, ...(remark ? [build("p", {}, remark)] : []));
      this.tip.hidden = false;
      this.stand(this.pixel(at));
    }

    stand([x, y]) {
      const width = this.place.clientWidth;
      const isBeside = x + 16 + this.tip.offsetWidth > width;
      this.tip.style.left = `${Math.max(0, isBeside ? x - this.tip.offsetWidth - 14 : x + 14)}px`;
      this.tip.style.top = `${y === null ? 8 : Math.max(0, y - this.tip.offsetHeight / 2)}px`;
      this.cursor.hidden = y !== null;
      this.cursor.style.left = `${x}px`;
    }

    hide() {
      this.tip.hidden = this.cursor.hidden = true;
      this.at = -1;
    }

    move(event) {
      const found = this.pick(event);
      if (found) this.show(...found);
      else if (this.made.pick) this.hide();
      if (this.from !== null && this.at >= 0) this.mark();
    }

    press(event) {
      const found = event.pointerType === "touch" || event.button ? null : this.pick(event);
      if (!found) return;
      this.from = found[0];
      if (this.told.time_zone) this.place.setPointerCapture(event.pointerId);
    }

    let(event) {
      const [from, found] = [this.from, this.pick(event)];
      this.unmark();
      if (from === null || !found) return;
      if (from === found[0]) this.open(from);
      else this.only(from, found[0]);
    }

    mark() {
      if (!this.told.time_zone || this.from === null) return;
      const [left, right] = [this.pixel(this.from)[0], this.pixel(this.at)[0]].sort((one, other) => one - other);
      this.marked.hidden = false;
      this.marked.style.left = `${left}px`;
      this.marked.style.width = `${right - left}px`;
    }

    unmark() {
      this.from = null;
      this.marked.hidden = true;
    }

    open(at) {
      const link = this.lines[at] && this.lines[at].querySelector("a.num");
      const why = this.told.whys ? this.told.why + this.told.whys[at] : link && link.href;
      if (why) location.assign(why);
    }

    // Only these days of the site: the address holds them, so that it can be shared.
    only(first, last) {
      if (!this.told.time_zone) return;
      const local = new Intl.DateTimeFormat("en-CA", { timeZone: this.told.time_zone, year: "numeric", month: "2-digit", day: "2-digit" });
      const steps = this.told.at_s;
      const day = (at) => local.format(steps[at] * 1000);
      const [low, high] = first < last ? [first, last] : [last, first];
      const end = new Date(`${day(high)}T00:00:00Z`);
      // Points of months stand for all days until the next one.
      if (steps.length > 1 && steps[1] - steps[0] > 7 * 86400) end.setUTCMonth(end.getUTCMonth() + 1, 1);
      else end.setUTCDate(end.getUTCDate() + 1);
      const asked = address();
      asked.searchParams.set("period", `${day(low)}/${end.toISOString().slice(0, 10)}`);
      location.assign(asked);
    }

    back() {
      if (this.told.time_zone && address().searchParams.has("period")) history.back();
    }

    toggle(at, button) {
      this.shown[at] = !this.shown[at];
      button.setAttribute("aria-pressed", this.shown[at]);
      this.redraw();
      if (!this.told.time_zone) return;
      const asked = address();
      const hidden = this.told.rows.filter((row, index) => row.style !== "none" && !this.shown[index]).map((row) => row.energy || row.role);
      if (hidden.length) asked.searchParams.set("hide", hidden.join(","));
      else asked.searchParams.delete("hide");
      history.replaceState(null, "", asked);
    }

    key(event) {
      const [last, step] = [this.lines.length - 1, isRtl() && this.told.kind !== "ranked" ? -1 : 1];
      const moves = { ArrowLeft: this.at - step, ArrowRight: this.at + step, Home: 0, End: last };
      const sideways = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (event.key in moves) {
        if (event.shiftKey && this.told.time_zone) this.from ??= Math.max(this.at, 0);
        else this.unmark();
        this.point(Math.min(Math.max(moves[event.key], 0), last), this.told.kind === "heat" ? this.row ?? 0 : null);
      } else if (sideways && this.told.kind === "heat" && this.at >= 0) {
        this.point(this.at, Math.min(Math.max(this.row + sideways, 0), this.told.rows.length - 1));
      } else if (event.key === "Enter") {
        if (this.from === null) this.open(this.at);
        else this.only(this.from, this.at);
      } else if (event.key === "Escape") {
        this.unmark();
        this.hide();
      } else return;
      event.preventDefault();
    }

    point(at, row) {
      this.show(at, row);
      this.mark();
      const parts = [...this.tip.querySelectorAll("strong, dt, dd, p")].map((part) => part.textContent);
      this.said.textContent = parts.join(" · ");
    }

    // Rows unrounded; a mark keeps a spreadsheet from reading a name as a formula.
    file() {
      const button = build("button", { type: "button", class: "csv" }, "CSV");
      button.addEventListener("click", () => {
        const { x, rows, x_title } = this.told;
        const heads = [x_title, ...rows.map((row) => (row.unit ? `${row.label} [${row.unit}]` : row.label))];
        const lines = [heads, ...x.map((name, at) => [name, ...rows.map((row) => row.values[at])])];
        const text = lines.map((line) => line.map(cell).join(",")).join("\r\n");
        const link = build("a", { download: `${this.told.key}.csv`, href: URL.createObjectURL(new Blob([`${text}\r\n`], { type: "text/csv" })) });
        link.click();
        URL.revokeObjectURL(link.href);
      });
      return button;
    }

    redraw() {
      this.hide();
      // A canvas that is still painting, slice by slice, must not lose what it paints on.
      const [old, place] = [this.plot, build("div", { class: "drawing" })];
      this.drawing.replaceWith(place);
      this.drawing = place;
      if (old) setTimeout(() => old.dispose(), 1000);
      this.draw();
      for (const swatch of this.legend.querySelectorAll(".swatch")) swatch.style.color = draw.ink(this.told.rows[swatch.dataset.row]);
    }
  }

  function cell(value) {
    if (value === null || value === undefined) return "";
    if (typeof value === "number") return String(value);
    const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  function redrawAll() {
    colours.clear();
    drawn.forEach((chart) => chart.redraw());
  }

  // Paper is light and has a width of its own.
  function printed(isOver) {
    root.classList.toggle("printing", !isOver);
    if (!isOver) [printed.theme, root.dataset.theme] = [root.dataset.theme, "light"];
    else if (printed.theme === undefined) delete root.dataset.theme;
    else root.dataset.theme = printed.theme;
    redrawAll();
  }

  // First what is on the screen; then, one at a time between other work, the rest.
  function inTurn() {
    drawn.filter((chart) => chart.place.getBoundingClientRect().top < innerHeight).forEach((chart) => chart.drawOnce());
    const later = window.requestIdleCallback || setTimeout;
    const next = () => {
      const chart = drawn.find((each) => !each.plot);
      if (!chart) return;
      chart.drawOnce();
      later(next, { timeout: 500 });
    };
    later(next, { timeout: 500 });
  }

  const kinds = {};
  window.charts = { kinds };
  document.addEventListener("DOMContentLoaded", () => {
    probe.hidden = true;
    document.body.append(probe);
    document.querySelectorAll("[data-chart]").forEach((figure) => drawn.push(new Chart(figure)));
    const sizes = new ResizeObserver(() => root.classList.contains("printing") || drawn.forEach((chart) => chart.fit()));
    drawn.forEach((chart) => sizes.observe(chart.place));
    inTurn();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
    new MutationObserver(() => root.classList.contains("printing") || redrawAll()).observe(root, { attributeFilter: ["data-theme", "dir"] });
    addEventListener("beforeprint", () => printed(false));
    addEventListener("afterprint", () => printed(true));
  });
})();
