"""Who may say what on the broker: keys of devices, rights of clients, certificates of the demo."""
