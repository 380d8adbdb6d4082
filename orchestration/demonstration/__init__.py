"""The demo: the main job on simulated sites."""
