"""The command ledger: states, release, modes, faults, lease, and the check of the hash chain. Every change is one
compare-and-set plus one chained event in the same transaction, so it is safe under double execution. Talks to the
store through assets/stores only; knows no device and no guard.
"""
