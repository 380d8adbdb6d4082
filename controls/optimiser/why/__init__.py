"""Why a plan is as it is: what binds, what a kWh is worth, what another choice would have cost."""
