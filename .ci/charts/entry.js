// What the charts of pages are drawn with, and nothing else of ECharts: no tooltip (it writes HTML), no animation, no theme.
import { init, use } from "echarts/core";
import { BarChart, CustomChart, HeatmapChart, LineChart, SankeyChart, ScatterChart, TreemapChart } from "echarts/charts";
import {
  DataZoomInsideComponent, DataZoomSliderComponent, GridComponent, MarkAreaComponent, MarkLineComponent,
  VisualMapContinuousComponent,
} from "echarts/components";
import { CanvasRenderer, SVGRenderer } from "echarts/renderers";

use([
  BarChart, CustomChart, HeatmapChart, LineChart, SankeyChart, ScatterChart, TreemapChart, DataZoomInsideComponent,
  DataZoomSliderComponent, GridComponent, MarkAreaComponent, MarkLineComponent, VisualMapContinuousComponent,
  CanvasRenderer, SVGRenderer,
]);
window.echarts = { init };
