"""Report templates: one YAML file a report; the schema is data_quality/contracts/reporting/report_template.py."""
