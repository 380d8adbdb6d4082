"""KPIs: what SQL cannot say, and what must be sayable twice: daily frames, expected days, EnPIs, recomputation."""
