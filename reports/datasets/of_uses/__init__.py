"""What reports say of significant energy uses: inputs, figures, findings."""
