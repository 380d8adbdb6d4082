"""What kinds of device are made of: stays of a car, stores of heat, switching, curves of a battery."""
