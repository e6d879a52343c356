"""Mappings on an MQTT broker, with Home Assistant discovery."""
