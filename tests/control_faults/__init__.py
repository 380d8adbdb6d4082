"""Dispatch under a nemesis: histories of what was asked, sent, applied and told, and a checker that reads them."""
