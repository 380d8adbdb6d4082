"""Accounts of the pages' users: passwords and invitations, sign-ins, preferences, audit events."""
