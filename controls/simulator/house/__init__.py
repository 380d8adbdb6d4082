"""The home as a closed simulated house: it advances by minutes on request, and shows instruments only.

`house.closed_house(site, start_utc=…, seed=…)` makes one; `house.perfect_foresight_house` the same one for whoever
foresees all. Nothing that decides may import this: its truth is met through contracts/control/closed_loop.py alone.
"""
