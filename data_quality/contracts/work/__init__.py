"""Work that is handed out: what a task, its result and whoever does it are."""
