// Bars side by side, or one on another up to the whole (stack); rows of another style lie over them as lines, and one
// with a lane of its own stands below: what is less than nothing there was saved.
"use strict";
(() => {
  const isBars = (row) => !row.style || row.style === "bars";
  const middle = {
    pick: (plot, point) => [plot.convertFromPixel({ xAxisIndex: 0 }, point[0])],
    place: (plot, at) => [plot.convertToPixel({ xAxisIndex: 0 }, at), null],
  };

  // Of many bars one outline: without seams between them, and light to draw.
  function area(row, isStack, draw) {
    const stack = isStack ? { stack: "whole" } : {};
    return draw.line({ ...row, style: "steps" }, { ...stack, lineStyle: { width: 0 }, areaStyle: { color: draw.ink(row), opacity: 0.92 } });
  }

  function bars(told, draw) {
    const isStack = told.kind === "stack";
    const isDense = draw.isDense(told);
    const zoom = draw.zoom(told);
    const isBelow = told.rows.some((row) => row.lane);
    const sign = (value) => ({ value, itemStyle: { color: draw.colour(value < 0 ? "saved" : "lost"), borderRadius: 2 } });
    const series = told.rows.map((row) => {
      if (row.lane) return { type: "bar", xAxisIndex: 1, yAxisIndex: 1, data: row.values.map(sign), barMaxWidth: 44, emphasis: { disabled: true } };
      if (!isBars(row)) return draw.line(row, { z: 4 });
      if (isDense) return area(row, isStack, draw);
      return {
        type: "bar", data: row.values, stack: isStack ? "whole" : undefined, emphasis: { disabled: true },
        itemStyle: { color: draw.ink(row), borderRadius: isStack ? 0 : [3, 3, 0, 0] },
        barCategoryGap: "32%", barGap: "8%", barMaxWidth: 44,
      };
    });
    const whole = { grid: draw.grid(zoom && { bottom: 62 }), xAxis: draw.places(told), yAxis: draw.values() };
    const parted = {
      grid: [draw.grid({ bottom: "36%" }), draw.grid({ top: "71%" })],
      xAxis: [draw.places(told, { axisLabel: { show: false } }), draw.places(told, { gridIndex: 1, axisLine: { show: false } })],
      yAxis: [draw.values(), draw.values({ gridIndex: 1, splitNumber: 2 })],
    };
    return {
      ...middle, grids: isBelow ? 2 : 1,
      option: { ...(isBelow ? parted : whole), dataZoom: zoom, series: draw.marked(told, series) },
    };
  }

  charts.kinds.bars = charts.kinds.stack = bars;
})();
