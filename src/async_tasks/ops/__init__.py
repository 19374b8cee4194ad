"""What runs beside the doors: the supervisor of one machine, health, metrics, logs."""
