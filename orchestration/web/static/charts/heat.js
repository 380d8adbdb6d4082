// A cell for each place of the axis and each row, from the first row down; what is not known stays open.
"use strict";
(() => {
  const MOST_SVG_CELLS = 1500;

  charts.kinds.heat = (told, draw) => {
    const cells = told.rows.flatMap((row, slot) => row.values.map((value, day) => [day, slot, value]));
    const known = cells.filter((cell) => cell[2] !== null);
    const values = known.map((cell) => cell[2]);
    const [low, high] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
    const slots = { type: "category", data: told.rows.map((row) => row.label), inverse: true };
    const short = new Intl.NumberFormat(document.documentElement.lang, { maximumSignificantDigits: 3 });
    const isNamed = (at) => /^(00|06|12|18):00$/.test(told.rows[at].label);
    const every = Math.max(Math.round(told.rows.length / 4), 1);
    return {
      isCanvas: cells.length > MOST_SVG_CELLS,
      pick: (plot, point) => plot.convertFromPixel({ gridIndex: 0 }, point),
      place: (plot, day, slot) => plot.convertToPixel({ gridIndex: 0 }, [day, slot]),
      option: {
        grid: draw.grid({ top: 8, bottom: 52 }),
        xAxis: draw.places(told, { axisLine: { show: false } }),
        yAxis: draw.values({ ...slots, splitLine: { show: false }, axisLabel: { ...draw.words(), interval: told.rows.some((row, at) => isNamed(at)) ? isNamed : (at) => at % every === 0 } }),
        visualMap: {
          type: "continuous", min: low, max: high === low ? low + 1 : high, orient: "horizontal", bottom: 0, itemWidth: 10, itemHeight: 130,
          [draw.isRtl() ? "left" : "right"]: 8, calculable: false, hoverLink: false, textStyle: draw.words(11),
          text: [`${short.format(high)} ${told.unit}`, short.format(low)], padding: 0,
          inRange: { color: [0, 1, 2, 3, 4, 5, 6, 7].map((at) => draw.colour(`h${at}`)) },
        },
        series: [{
          type: "heatmap", data: known, progressive: 0, emphasis: { disabled: true },
          itemStyle: { borderWidth: 0.5, borderColor: draw.colour("surface") },
        }],
      },
    };
  };
})();
