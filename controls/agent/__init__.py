"""The agent: one small process a site that brings released commands to the devices and proves them by reading back.
It needs the ledger, the guards and the gateways, and works with everything else gone. It never plans, never prolongs
a plan, and puts every device back to its safe default when in doubt.
"""
