"""Content becomes PDF, workbook and JSON."""
