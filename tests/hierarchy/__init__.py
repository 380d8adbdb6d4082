"""Hierarchy: submeter discovery, virtual meters and balances, on simulated trees and on real meters."""
