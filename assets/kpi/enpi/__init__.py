"""EnPIs of significant energy uses: daily tables, status, alerts, reviews."""
