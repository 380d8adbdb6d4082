// One bar a place, the names beside them; the first row is drawn, a second one as a thin bar beneath, a band as whiskers.
"use strict";
(() => {
  charts.kinds.ranked = (told, draw, chart) => {
    const side = draw.isRtl() ? "left" : "right";
    const names = Math.min(Math.max(170, chart.place.clientWidth * 0.25), chart.place.clientWidth * 0.4);
    // Two lines of a name have room.
    const most = Math.floor(names / 3.6);
    const text = (row, at) => chart.lines[at].cells[row.at + 1].textContent.trim();
    const series = told.rows.map((row, place) => ({
      type: "bar", emphasis: { disabled: true }, itemStyle: { color: draw.ink(row), borderRadius: 3 },
      data: row.values.map((value, at) => ({ value, label: { show: place === 0 && !(row.low && row.low[at] !== null) } })),
      barWidth: place ? 4 : "45%", barMaxWidth: 24, barGap: "30%", z: 3 - place,
      label: { position: side, ...draw.words(12, "ink-2"), formatter: (each) => text(row, each.dataIndex) },
    }));
    const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: { stroke: draw.colour("ink"), lineWidth: 1.5 } });
    const whisker = (row) => (_, each) => {
      const [[low, y], [high]] = [0, 1].map((edge) => each.coord([each.value(edge), each.value(2)]));
      // The value stands beyond the whisker.
      const style = { text: text(row, each.value(2)), fill: draw.colour("ink-2"), fontSize: 12, verticalAlign: "middle", align: draw.isRtl() ? "right" : "left" };
      const label = { type: "text", x: high + (draw.isRtl() ? -6 : 6), y, style };
      return { type: "group", children: [line(low, y, high, y), ...[low, high].map((x) => line(x, y - 5, x, y + 5)), label] };
    };
    const banded = told.rows.filter((row) => row.low);
    series.push(...banded.map((row) => ({
      type: "custom", renderItem: whisker(row), silent: true, z: 5, encode: { x: [0, 1], y: 2 },
      data: row.low.map((low, at) => [low, row.high[at], at]).filter(([low]) => low !== null),
    })));
    return {
      pick: (plot, point) => [plot.convertFromPixel({ yAxisIndex: 0 }, point[1])],
      place: (plot, at) => [names + 24, plot.convertToPixel({ yAxisIndex: 0 }, at)],
      option: {
        grid: { top: 4, bottom: 4, left: draw.isRtl() ? 64 : names + 18, right: draw.isRtl() ? names + 18 : 64 },
        yAxis: draw.places(told, {
          inverse: true, position: draw.isRtl() ? "right" : "left", axisLine: { show: false },
          axisLabel: { ...draw.words(12, "ink"), width: names + 8, lineHeight: 14, overflow: "break", interval: 0, formatter: (name) => (name.length > most ? `${name.slice(0, most - 1)}…` : name) },
        }),
        xAxis: draw.values({ inverse: draw.isRtl(), max: ({ max }) => Math.max(max, 0), position: "bottom", axisLabel: { show: false }, splitLine: { show: false } }),
        series,
      },
    };
  };
})();
