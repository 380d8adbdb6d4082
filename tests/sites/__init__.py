"""Sites as data, their calendar and meter hierarchy."""
