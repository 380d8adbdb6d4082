// From a whole to its parts and theirs, each as wide as it is; beside it its name, what it is, and by how much it changed.
"use strict";
(() => {
  charts.kinds.tree = (told, draw, chart) => {
    if (!chart.isTree()) return charts.kinds.ranked(told, draw, chart);
    const { above, x } = told;
    const [energy, before, change] = [0, 1, 2].map((row) => chart.told.rows[row]);
    // A part has the colour of its branch; what is not metered has none.
    const ink = (at) => {
      if (above[at] < 0) return draw.colour("grid");
      if (above[at] > 0) return ink(above[at]);
      return draw.colour(before.values[at] === null ? "other" : `part-${(told.parts[at] % 8) + 1}`);
    };
    const text = (at, row) => chart.lines[at].cells[row + 1].textContent.trim();
    // A name of letters from right to left is set in by itself, and a number never breaks at its mark.
    const words = (at) => {
      const amounts = `${text(at, 0)}\u00a0${energy.unit}${change.values[at] === null ? "" : `\u00a0 ${text(at, 2)}\u00a0%`}`;
      return `\u2068${x[at]}\u2069${x[at].length + amounts.length > 40 ? "\n" : " \u00a0"}${amounts}`;
    };
    const label = (at) => ({
      position: "right", ...draw.words(12, "ink"), width: 300, overflow: "break", lineHeight: 15,
      formatter: () => words(at),
    });
    const nodes = x.map((_, at) => ({ name: String(at), at, itemStyle: { color: ink(at) }, label: label(at) }));
    const links = x.flatMap((_, at) => (above[at] < 0 || !energy.values[at] ? [] : [{
      source: String(above[at]), target: String(at), value: energy.values[at], at, lineStyle: { color: ink(at), opacity: 0.32 },
    }]));
    return {
      place: () => [chart.place.clientWidth / 2, 24],
      ready: (plot) => {
        plot.on("mouseover", (each) => chart.show(each.data.at));
        plot.on("mouseout", () => chart.hide());
        plot.on("click", (each) => chart.open(each.data.at));
      },
      option: {
        series: [{
          type: "sankey", left: 4, right: 312, top: 6, bottom: 6, nodeWidth: 12, nodeGap: 14, nodeAlign: "left", draggable: false,
          layoutIterations: 0, emphasis: { disabled: true }, data: nodes, links, itemStyle: { borderWidth: 0, borderRadius: 3 }, lineStyle: { curveness: 0.5 },
        }],
      },
    };
  };
})();
