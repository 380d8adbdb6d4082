"""Sites as data: site and people files, the local calendar, the meter hierarchy."""
