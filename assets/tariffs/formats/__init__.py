"""Tariff file formats, our own and others', and a tariff in words."""
