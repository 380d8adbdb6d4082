"""Figures without pages: KPIs, running figures."""
