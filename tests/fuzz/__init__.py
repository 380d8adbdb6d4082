"""Broken meter files by the thousand: seeded mutations of good ones, and oracles that say what a reader may not do."""
