"""Tests of the agent with simulated time and devices."""
