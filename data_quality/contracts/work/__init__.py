"""Work that is handed out: tasks, results and workers."""
