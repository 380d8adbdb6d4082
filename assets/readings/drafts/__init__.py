"""What a foreign table shows, and the column map or site file drafted from it. Nothing here is ever applied."""
