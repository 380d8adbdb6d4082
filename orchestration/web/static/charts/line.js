// Lines; a row with edges has its band underneath. What was expected lies below what was measured.
"use strict";
(() => {
  function lines(told, draw) {
    const ordered = [...told.rows].sort((one, other) => (other.role === "expected") - (one.role === "expected"));
    const bands = ordered.filter((row) => row.high).flatMap((row) => draw.band(row, row.at));
    const series = [...bands, ...ordered.map((row) => draw.line(row))];
    const values = told.rows.flatMap((row) => [...row.values, ...(row.low || [])]);
    const known = [...values, told.limit && told.limit.value].filter((value) => typeof value === "number");
    // Values that hardly differ do not begin at zero.
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const isNear = low > 0 && high - low < low;
    const dips = low < 0 && -low < high / 10 && { min: low, axisLabel: { ...draw.values().axisLabel, showMinLabel: false } };
    return {
      pick: (plot, point) => [plot.convertFromPixel({ xAxisIndex: 0 }, point[0])],
      place: (plot, at) => [plot.convertToPixel({ xAxisIndex: 0 }, at), null],
      option: {
        grid: draw.grid(told.events.length ? { top: 26 } : {}),
        xAxis: draw.places(told, { boundaryGap: told.x.length < 32 }),
        yAxis: draw.values({ scale: isNear, max: told.limit && ((axis) => Math.max(axis.max, told.limit.value)), ...dips }),
        series: draw.marked(told, series),
      },
    };
  }

  charts.kinds.line = charts.kinds.band = charts.kinds.cumulative = lines;
})();
