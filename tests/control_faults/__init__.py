"""Dispatch under a nemesis: histories of requests, writes, results and reports, and a checker that reads them."""
