// Draws the plots of a page over the JSON beside them. It computes no value: ticks, days and texts come from the
// server, what is read out is a row of the plot's own table. Everything here works by keyboard too.
"use strict";
(() => {
  const HEIGHT = 280;
  const DASHES = { actual: [], expected: [6, 3], third: [2, 3], fourth: [8, 3, 2, 3] };
  const language = document.documentElement.lang || "en";
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const address = () => new URL(location.href);
  const drawn = [];

  function build(tag, attributes, ...inside) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...inside);
    return element;
  }

  class Chart {
    constructor(figure) {
      this.figure = figure;
      this.told = JSON.parse(figure.querySelector("script").textContent);
      this.place = figure.querySelector(".canvas");
      this.rows = figure.querySelectorAll("tbody tr");
      this.heads = [...figure.querySelectorAll("thead th")].map((head) => head.textContent.trim());
      const hidden = (address().searchParams.get("hide") || "").split(",");
      this.shown = this.told.lines.map((line) => !hidden.includes(line.role));
      this.from = null;
      this.prepare();
      this.draw();
      figure.querySelector("details").open = false;
    }

    // What stands around the canvas: legend, the line that reads a point out, keys.
    prepare() {
      const legend = build("ul", { class: "legend" });
      this.told.lines.forEach((line, at) => {
        const button = build("button", { type: "button", "aria-pressed": this.shown[at] },
          build("span", { class: `swatch swatch-${line.role} as-${line.style}` }), line.name);
        button.addEventListener("click", () => this.toggle(at, button));
        legend.append(build("li", {}, button));
      });
      this.place.before(legend);
      this.said = build("p", { class: "readout" });
      this.place.after(this.said);
      const title = this.figure.querySelector("figcaption strong").textContent;
      this.place.setAttribute("tabindex", "0");
      this.place.setAttribute("role", "group");
      this.place.setAttribute("aria-roledescription", "chart");
      this.place.setAttribute("aria-label", `${title}. ${this.keys()}`);
      this.hint();
      this.place.addEventListener("keydown", (event) => this.key(event));
      this.place.addEventListener("dblclick", () => this.back());
    }

    keys() {
      const why = this.told.points.length ? "Enter opens why." : "";
      const mark = this.told.time_zone ? "Shift and arrows mark days, Enter shows them, Escape goes back." : "";
      return `Arrows move from point to point. ${why} ${mark}`.trim();
    }

    hint() {
      this.said.textContent = this.told.time_zone ? this.figure.dataset.drag : "";
    }

    draw() {
      const lines = this.told.lines;
      const data = [this.told.at_s];
      const series = [{}];
      const bands = [];
      this.places = lines.map((line, at) => {
        const ink = colour(line.role);
        if (line.high.length) {
          const edge = { stroke: "transparent", points: { show: false }, show: this.shown[at] };
          bands.push({ series: [data.length, data.length + 1], fill: colour(`${line.role}-tint`) });
          data.push(line.high, line.low);
          series.push({ ...edge }, { ...edge });
        }
        data.push(line.values);
        series.push({
          label: line.name, stroke: ink, width: 2, dash: DASHES[line.role], show: this.shown[at],
          points: { show: line.style === "line" && line.values.length < 60, size: 5, fill: ink },
          ...this.shape(line, at),
        });
        return data.length - 1;
      });
      this.plot = new uPlot(this.options(series, bands), data, this.place);
    }

    // Two kinds of bars stand side by side; uPlot aligns them at the instant.
    shape(line, at) {
      if (line.style === "steps") return { paths: uPlot.paths.stepped({ align: 1 }) };
      if (line.style !== "bars") return {};
      const bars = this.told.lines.filter((each) => each.style === "bars");
      const side = bars.length === 1 ? 0 : bars.indexOf(line) % 2 ? 1 : -1;
      const fill = at === 0 ? colour(line.role) : colour(`${line.role}-tint`);
      return { fill, dash: [], width: 1, paths: uPlot.paths.bars({ size: [bars.length === 1 ? 0.75 : 0.38, 60], align: side }) };
    }

    options(series, bands) {
      const ink = { stroke: colour("soft"), font: "12px system-ui, sans-serif", grid: { stroke: colour("rule"), width: 1 }, ticks: { stroke: colour("rule"), width: 1 } };
      const number = new Intl.NumberFormat(language, { maximumFractionDigits: 6 });
      return {
        width: this.width(), height: HEIGHT, legend: { show: false }, series, bands,
        cursor: { sync: { key: "page" }, drag: { x: Boolean(this.told.time_zone), y: false, setScale: false }, points: { size: 7 } },
        scales: { x: { time: false, range: (plot, low, high) => this.wide(low, high) }, y: { range: (plot, low, high) => span(low, high) } },
        axes: [
          { ...ink, splits: (plot) => this.ticks(plot).map((tick) => tick[0]), values: (plot) => this.ticks(plot).map((tick) => tick[1]) },
          { ...ink, size: 64, values: (plot, values) => values.map((value) => number.format(value)) },
        ],
        hooks: {
          setCursor: [(plot) => this.read(plot.cursor.idx)],
          setSelect: [(plot) => this.brushed(plot)],
          ready: [(plot) => plot.over.addEventListener("click", () => this.open(plot.cursor.idx))],
        },
      };
    }

    width() {
      return Math.max(this.place.clientWidth, 200);
    }

    // Bars at either end are shown whole.
    wide(low, high) {
      const at = this.told.at_s;
      const step = at.length > 1 ? at[1] - at[0] : 3600;
      const room = this.told.lines.some((line) => line.style === "bars") ? step * 0.6 : at.length > 1 ? 0 : step;
      return [low - room, high + room];
    }

    // As many of the server's ticks as have room for their words.
    ticks(plot) {
      const all = this.told.ticks;
      const longest = Math.max(...all.map((tick) => tick[1].length), 1) * 7 + 14;
      const least = plot.scales.x.min;
      const seconds = plot.scales.x.max - least || 1;
      const pixels = plot.bbox.width / devicePixelRatio || this.width();
      const kept = [];
      for (const tick of all) {
        const x = ((tick[0] - least) / seconds) * pixels;
        if (!kept.length || x - kept[kept.length - 1].x >= longest) kept.push({ tick, x });
      }
      return kept.map((each) => each.tick);
    }

    read(at) {
      const row = at === null || at === undefined ? null : this.rows[at];
      if (!row) return;
      const cells = [...row.cells].map((cell) => cell.textContent.trim());
      this.said.textContent = cells.map((text, index) => (index ? `${this.heads[index]} ${text}` : text)).join(" · ");
    }

    open(at) {
      const why = at === null || at === undefined ? "" : this.told.points[at];
      if (why && !this.plot.select.width) location.assign(why);
    }

    brushed(plot) {
      if (plot.select.width < 4) return;
      const [first, last] = [plot.select.left, plot.select.left + plot.select.width].map((x) => plot.posToIdx(x));
      this.show(first, last);
    }

    // Only these days, which are the site's: the address holds them, so that they can be sent to somebody.
    show(first, last) {
      if (!this.told.time_zone) return;
      const local = new Intl.DateTimeFormat("en-CA", { timeZone: this.told.time_zone, year: "numeric", month: "2-digit", day: "2-digit" });
      const day = (at) => local.format(this.told.at_s[at] * 1000);
      const [low, high] = first < last ? [first, last] : [last, first];
      const end = new Date(`${day(high)}T00:00:00Z`);
      const steps = this.told.at_s;
      // Points of months stand for all days until the next one.
      const isMonths = steps.length > 1 && steps[1] - steps[0] > 7 * 86400;
      if (isMonths) end.setUTCMonth(end.getUTCMonth() + 1, 1);
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
      const place = this.places[at];
      const edges = this.told.lines[at].high.length ? [place - 2, place - 1, place] : [place];
      edges.forEach((each) => this.plot.setSeries(each, { show: this.shown[at] }));
      if (!this.told.time_zone) return;
      const asked = address();
      const hidden = this.told.lines.filter((line, index) => !this.shown[index]).map((line) => line.role);
      if (hidden.length) asked.searchParams.set("hide", hidden.join(","));
      else asked.searchParams.delete("hide");
      history.replaceState(null, "", asked);
    }

    key(event) {
      const last = this.told.at_s.length - 1;
      const here = this.plot.cursor.idx ?? -1;
      const moves = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: last };
      if (event.key in moves) {
        const to = Math.min(Math.max(moves[event.key], 0), last);
        if (event.shiftKey && this.told.time_zone) this.from ??= Math.max(here, 0);
        else this.from = null;
        this.point(to);
        event.preventDefault();
      } else if (event.key === "Enter") {
        if (this.from === null) this.open(here);
        else this.show(this.from, here);
      } else if (event.key === "Escape") {
        if (this.from === null) this.back();
        this.from = null;
        this.plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
      }
    }

    point(at) {
      const x = (index) => this.plot.valToPos(this.told.at_s[index], "x");
      this.said.setAttribute("aria-live", "polite");
      this.plot.setCursor({ left: x(at), top: HEIGHT / 3 });
      if (this.from === null) return;
      const [left, right] = [x(this.from), x(at)].sort((one, other) => one - other);
      this.plot.setSelect({ left, width: right - left, top: 0, height: this.plot.bbox.height / devicePixelRatio }, false);
    }

    resize() {
      if (this.plot && Math.abs(this.plot.width - this.width()) > 1) this.plot.setSize({ width: this.width(), height: HEIGHT });
    }

    redraw() {
      this.plot.destroy();
      this.draw();
    }
  }

  // From zero, and below it only where something is.
  function span(low, high) {
    if (low === null || high === null) return [0, 1];
    const [least, most] = [Math.min(low, 0), Math.max(high, 0)];
    return uPlot.rangeNum(least, most || (least ? 0 : 1), { min: { pad: 0.05, hard: least < 0 ? null : 0, soft: 0, mode: 1 }, max: { pad: 0.08, soft: 0, mode: 1 } });
  }

  document.querySelectorAll("[data-plot]").forEach((figure) => drawn.push(new Chart(figure)));
  new ResizeObserver(() => drawn.forEach((chart) => chart.resize())).observe(document.querySelector("main"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach((chart) => chart.redraw()));
})();
