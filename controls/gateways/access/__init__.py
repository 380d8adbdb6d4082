"""Access to the broker: keys of devices, rights of clients, certificates of the demo."""
