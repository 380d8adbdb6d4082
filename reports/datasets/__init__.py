"""What a report may ask: each dataset answers its measures as figures with a trace, and its facts in words."""
