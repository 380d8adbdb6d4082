// A point for each place: the first row along the axis, the others by it, what was expected paler.
"use strict";
(() => {
  charts.kinds.scatter = (told, draw) => {
    const [along, ...rows] = told.rows;
    const points = (row) => row.values.map((value, at) => [along.values[at], value]);
    const series = rows.map((row) => ({
      type: "scatter", data: points(row), symbolSize: row.role === "expected" ? 4 : 5.5, emphasis: { disabled: true },
      itemStyle: { color: draw.ink(row), opacity: row.role === "expected" ? 0.45 : 0.65 },
    }));
    const nearest = (plot, [x, y]) => {
      const far = points(rows.at(-1)).map((point) => (point.includes(null) ? Infinity : distance(plot, point, x, y)));
      const least = Math.min(...far);
      return least < 24 ? [far.indexOf(least)] : null;
    };
    const distance = (plot, point, x, y) => {
      const [left, top] = plot.convertToPixel({ gridIndex: 0 }, point);
      return Math.hypot(left - x, top - y);
    };
    return {
      pick: nearest,
      place: (plot, at) => {
        const [x, y] = points(rows.at(-1))[at];
        return x === null || y === null ? [40, 24] : plot.convertToPixel({ gridIndex: 0 }, [x, y]);
      },
      option: {
        grid: draw.grid({ bottom: 44 }), yAxis: draw.values({ scale: true }), series,
        xAxis: draw.values({
          scale: true, position: "bottom", inverse: draw.isRtl(), name: `${along.label} ${along.unit}`, nameLocation: "middle",
          nameGap: 26, nameTextStyle: draw.words(12),
        }),
      },
    };
  };
})();
