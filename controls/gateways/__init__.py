"""The wire: Modbus TCP and MQTT clients, the device side of both for the simulator, and the broker's process.

Put transports here, and what they promise. Physics lives in the simulator, decisions in the agent and the guards.
"""
