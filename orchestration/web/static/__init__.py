"""Static files beside pages: style, scripts, pictures. The licence of ECharts lies beside it."""
