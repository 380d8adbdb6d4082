"""What a browser is sent beside pages: style, scripts, pictures. uPlot's licence lies beside it."""
