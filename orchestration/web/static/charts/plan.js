// A plan: lanes over one axis of time, each with an axis of values of its own. What is past is shaded, now is a line.
"use strict";
(() => {
  const GAP = 32, FOOT = 26;
  const isBlocks = (row) => row.style === "blocks";

  // Rows by lane, in order; a lane of blocks is half as high.
  function lanesOf(rows) {
    const lanes = new Map();
    rows.forEach((row) => lanes.set(row.lane, (lanes.get(row.lane) || []).concat({ ...row, style: isBlocks(row) ? "" : row.style })));
    rows.filter(isBlocks).forEach((row) => lanes.set(row.label, [row]));
    return [...lanes].map(([name, own]) => ({ name, own, weight: own.every(isBlocks) ? 0.4 : own[0].role === "cheap" ? 0.9 : 1.2 }));
  }

  function series(row, at, draw) {
    const place = { xAxisIndex: at, yAxisIndex: at };
    const ink = draw.ink(row);
    const whole = { lineStyle: { width: 0 }, areaStyle: { color: ink, opacity: 0.85 }, step: "middle", showSymbol: false };
    if (["cheap", "mid", "dear"].includes(row.role)) {
      return { type: "bar", data: row.values, stack: "price", ...place, itemStyle: { color: ink }, barCategoryGap: "12%", emphasis: { disabled: true } };
    }
    if (row.style === "steps") return draw.line(row, { ...place, step: "middle", z: 5 });
    if (row.style === "line") {
      const area = row.unit === "%" ? { areaStyle: { color: ink, opacity: 0.22 } } : {};
      return draw.line(row, { ...place, ...area, showSymbol: false, z: 4 });
    }
    return draw.line(row, { ...place, ...whole, stack: isBlocks(row) ? `blocks-${at}` : "use" });
  }

  function plan(told, draw, chart) {
    const lanes = lanesOf(told.rows);
    const whole = lanes.reduce((sum, lane) => sum + lane.weight, 0);
    const high = chart.place.clientHeight - FOOT - GAP * lanes.length;
    const heights = lanes.map((lane) => (high * lane.weight) / whole);
    const grids = heights.map((height, at) => draw.grid({ top: heights.slice(0, at).reduce((sum, each) => sum + each, GAP * (at + 1)), height, bottom: "auto" }));
    const last = lanes.length - 1;
    const past = { silent: true, itemStyle: { color: draw.colour("sunken"), opacity: 0.75 }, data: [[{ xAxis: 0 }, { xAxis: told.now_at }]] };
    const line = { silent: true, symbol: "none", data: [{ xAxis: told.now_at, lineStyle: { color: draw.colour("ink"), width: 1.5, type: "solid" }, label: { show: false } }] };
    const marked = told.now_at === undefined ? {} : { markLine: line, markArea: past };
    const named = { align: draw.isRtl() ? "right" : "left", color: draw.colour("ink-2"), fontWeight: 600, padding: draw.isRtl() ? [0, -40, 0, 0] : [0, 0, 0, -40] };
    return {
      grids: lanes.length,
      pick: (plot, point) => [plot.convertFromPixel({ xAxisIndex: 0 }, point[0])],
      place: (plot, at) => [plot.convertToPixel({ xAxisIndex: 0 }, at), null],
      option: {
        grid: grids,
        xAxis: lanes.map((lane, at) => draw.places(told, { gridIndex: at, ...(at < last ? { axisLabel: { show: false } } : {}) })),
        yAxis: lanes.map((lane, at) => draw.values({
          gridIndex: at, splitNumber: 2, name: isBlocks(lane.own[0]) ? lane.name : `${lane.name}, ${lane.own[0].unit}`, nameLocation: "end", nameGap: 12, nameTextStyle: named,
          ...(lane.own.every(isBlocks) ? { axisLabel: { show: false }, splitLine: { show: false } } : {}),
          ...(lane.own[0].unit === "%" ? { min: 0, max: 100 } : {}),
        })),
        series: [...lanes.map((_, at) => ({ type: "line", data: [], xAxisIndex: at, yAxisIndex: at, ...marked })), ...lanes.flatMap((lane, at) => lane.own.map((row) => series(row, at, draw)))],
      },
    };
  }

  charts.kinds.plan = plan;
})();
