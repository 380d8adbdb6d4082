// A point for each place: the first row along the axis, the others by it; what was expected as fine dark dots.
"use strict";
(() => {
  charts.kinds.scatter = (told, draw) => {
    const [along, ...rows] = told.rows;
    const points = (row) => row.values.map((value, at) => [along.values[at], value]);
    const looks = { compared: [2, 0.55, 3], third: [4, 0.55, 1] };
    const series = rows.map((row) => {
      const [symbolSize, opacity, z] = looks[row.role] || [5.5, 0.65, 2];
      return { type: "scatter", data: points(row), symbolSize, z, emphasis: { disabled: true }, itemStyle: { color: draw.ink(row), opacity } };
    });
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
          scale: true, splitNumber: 3, position: "bottom", inverse: draw.isRtl(), name: `${along.label} ${along.unit}`, nameLocation: "middle",
          nameGap: 26, nameTextStyle: draw.words(12),
        }),
      },
    };
  };
})();
