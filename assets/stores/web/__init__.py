"""What the pages keep of people: passwords and invitations, sign-ins, preferences, and who did what."""
