"""Plans and commands: device templates, gateways, simulator, optimiser, ledger, guards and the agent."""
