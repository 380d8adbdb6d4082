"""Report templates: one YAML file a report; the schema is data_quality/contracts/report_template.py."""
