// A flow from each place to each row, as wide as its value, with names and totals at its ends.
"use strict";
(() => {
  charts.kinds.flow = (told, draw, chart) => {
    const roles = ["part-1", "part-2", "part-3", "part-4", "part-5", "part-6", "part-7", "part-8"];
    const [starts, stops] = told.ends;
    const inks = (at) => draw.colour(roles[at % roles.length]);
    const named = (name, text, position) => ({
      position, formatter: () => `\u2068${name}\u2069  ${text} ${told.unit}`, ...draw.words(12, "ink"), width: 190, overflow: "break",
    });
    const nodes = [
      ...Object.keys(starts).map((at) => ({ name: `from ${at}`, itemStyle: { color: inks(at) }, label: named(told.x[at], starts[at], "right") })),
      ...Object.keys(stops).map((at) => ({ name: `to ${at}`, itemStyle: { color: draw.colour("expected") }, label: named(told.rows[at].label, stops[at], "left") })),
    ];
    const links = told.rows.flatMap((row, to) => row.values.map((value, from) => ({
      source: `from ${from}`, target: `to ${to}`, value: Math.abs(value), from, to, lineStyle: { color: inks(from), opacity: 0.4 },
    }))).filter((link) => link.value);
    return {
      place: (plot, at, row) => [chart.place.clientWidth / 2, row === null ? 24 : 60],
      ready: (plot) => {
        plot.on("mouseover", (each) => each.dataType === "edge" && chart.show(each.data.from, each.data.to));
        plot.on("mouseout", () => chart.hide());
      },
      option: {
        series: [{
          type: "sankey", left: 4, right: 4, top: 8, bottom: 8, nodeWidth: 12, nodeGap: 16, draggable: false, layoutIterations: 0,
          emphasis: { disabled: true }, data: nodes, links, itemStyle: { borderWidth: 0, borderRadius: 3 }, lineStyle: { curveness: 0.5 },
        }],
      },
    };
  };
})();
