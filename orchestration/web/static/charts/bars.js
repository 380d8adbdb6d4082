// Bars side by side, or one on another up to the whole (stack); rows of another style lie over them as lines.
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
    const series = told.rows.map((row) => {
      if (!isBars(row)) return draw.line(row, { z: 4 });
      if (isDense) return area(row, isStack, draw);
      return {
        type: "bar", data: row.values, stack: isStack ? "whole" : undefined, emphasis: { disabled: true },
        itemStyle: { color: draw.ink(row), borderRadius: isStack ? 0 : [3, 3, 0, 0] },
        barCategoryGap: "32%", barGap: "8%", barMaxWidth: 44,
      };
    });
    return {
      ...middle,
      option: {
        grid: draw.grid(zoom && { bottom: 62 }), xAxis: draw.places(told), yAxis: draw.values(),
        dataZoom: zoom, series: draw.marked(told, series),
      },
    };
  }

  charts.kinds.bars = charts.kinds.stack = bars;
})();
