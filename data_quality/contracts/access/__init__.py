"""Who may ask what, and how often: permissions of roles, keys of machines, allowances."""
