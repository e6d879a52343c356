"""Observers that set the granted external port in qBittorrent, Transmission, Deluge and Plex."""
