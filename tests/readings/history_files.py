"""A day's corner of what the History page of Home Assistant exports: a counter, a power, a temperature and a door."""

HISTORY = """\
entity_id,state,last_changed
sensor.grid_import,5100.0,2025-03-03T10:00:00.000Z
sensor.grid_import,5100.5,2025-03-03T10:14:58.412Z
sensor.grid_import,unavailable,2025-03-03T10:20:01.100Z
sensor.grid_import,5101.0,2025-03-03T10:29:59.731Z
sensor.grid_import,5101.5,2025-03-03T10:44:58.020Z
sensor.grid_import,0.2,2025-03-03T10:52:00.250Z
sensor.grid_import,0.7,2025-03-03T10:59:59.600Z
sensor.grid_import,1.2,2025-03-03T11:14:59.600Z
sensor.heat_pump_power,1200,2025-03-03T10:00:00.000Z
sensor.heat_pump_power,600,2025-03-03T10:07:30.000Z
sensor.heat_pump_power,unknown,2025-03-03T10:15:00.000Z
sensor.heat_pump_power,800.5,2025-03-03T10:30:00.000Z
sensor.heat_pump_power,0,2025-03-03T10:45:00.000Z
sensor.heat_pump_power,10,2025-03-03T11:15:00.000Z
sensor.outdoor,4.5,2025-03-03T10:00:00.000Z
sensor.outdoor,5.5,2025-03-03T10:30:00.000Z
binary_sensor.door,off,2025-03-03T10:00:00.000Z
"""
