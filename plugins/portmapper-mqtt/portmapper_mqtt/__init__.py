"""Observer that publishes mapping states to an MQTT broker, with Home Assistant discovery."""
