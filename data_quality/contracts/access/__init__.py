"""Access: permissions of roles, keys of machines, allowances."""
