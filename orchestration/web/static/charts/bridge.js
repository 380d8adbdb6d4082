// From the first value to the last: each step hangs where the last one ended.
"use strict";
(() => {
  charts.kinds.bridge = (told, draw, chart) => {
    const values = told.rows[0].values.map((value) => value || 0);
    const last = values.length - 1;
    const levels = values.slice(0, -1).reduce((all, value) => [...all, (all.at(-1) || 0) + value], []);
    const tops = values.map((value, at) => (at === 0 || at === last ? value : Math.max(levels[at], levels[at - 1])));
    const feet = values.map((value, at) => (at === 0 || at === last ? null : Math.min(levels[at], levels[at - 1])));
    const all = told.limit ? [...levels, values[last], told.limit.value] : [...levels, values[last]];
    const [low, high] = [Math.min(...all), Math.max(...all)];
    // Levels that hardly differ are drawn from near the lowest one: the steps are the answer.
    const near = low - (high - low) * 0.6;
    const floor = low > 0 && near > high * 0.3 ? near : Math.min(low, 0);
    const colours = values.map((value, at) => draw.colour(at === 0 || at === last ? "measured" : value > 0 ? "lost" : "saved"));
    const text = (at) => chart.lines[at].cells[1].textContent.trim();
    const block = (params, api) => {
      const at = api.value(0);
      const [x, top] = api.coord([at, api.value(2)]);
      const foot = api.coord([at, api.value(1)])[1];
      const wide = Math.min(api.size([1, 0])[0] * 0.62, 60);
      const shape = { x: x - wide / 2, y: Math.min(top, foot), width: wide, height: Math.max(Math.abs(foot - top), 1), r: 3 };
      const falls = at > 0 && at < last && values[at] < 0;
      const words = { text: text(at), x, y: falls ? shape.y + shape.height + 5 : shape.y - 5, align: "center", verticalAlign: falls ? "top" : "bottom", fontSize: 11.5, fill: draw.colour("ink-2") };
      return { type: "group", children: [{ type: "rect", shape, style: { fill: colours[at] } }, { type: "text", style: words }] };
    };
    const room = chart.place.clientWidth / (values.length + 1);
    // Where a word has no room, every second name stands lower.
    const isNarrow = room < 70;
    const names = {
      ...draw.words(), interval: 0, lineHeight: 14, overflow: "break", width: isNarrow ? room * 2.2 : room,
      formatter: (name, at) => (isNarrow && at % 2 ? `\n\n${name}` : name),
    };
    return {
      pick: (plot, point) => [plot.convertFromPixel({ xAxisIndex: 0 }, point[0])],
      place: (plot, at) => [plot.convertToPixel({ xAxisIndex: 0 }, at), null],
      option: {
        grid: draw.grid({ top: 28, bottom: isNarrow ? 68 : 40 }), xAxis: draw.places(told, { axisLabel: names }),
        yAxis: draw.values({ min: floor, scale: true, axisLabel: { ...draw.values().axisLabel, showMinLabel: floor === 0 } }),
        series: draw.marked(told, [{ type: "custom", renderItem: block, data: tops.map((top, at) => [at, feet[at] ?? floor, top]), encode: { x: 0, y: [1, 2] } }]),
      },
    };
  };
})();
