"""Commands about energy uses, their baselines and indicators."""
