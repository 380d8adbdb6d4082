"""Tests of plans: what they are made from, when, and how they are stored."""
