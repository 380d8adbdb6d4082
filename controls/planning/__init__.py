"""From what is known now to a frozen plan: inputs, triggers, plan and its commands."""
