"""The collector: what live sources tell, made durable, shown, and handed to ingestion."""
