"""What Home Assistant and evcc keep and export."""
