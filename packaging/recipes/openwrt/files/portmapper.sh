#!/bin/sh /etc/rc.common
# Untested. Installed as /etc/init.d/portmapper. procd starts the daemon again if it ends.
# /var is memory on OpenWrt, so the leases are in /etc: they must survive a restart.

START=95
USE_PROCD=1

start_service() {
	mkdir -p /etc/portmapper/state
	procd_open_instance
	procd_set_param command /usr/bin/portmapper run --config /etc/portmapper/portmapper.toml \
		--state-dir /etc/portmapper/state
	procd_set_param respawn 3600 10 0
	procd_set_param file /etc/portmapper/portmapper.toml
	procd_set_param stderr 1
	procd_set_param no_new_privs 1
	procd_close_instance
}

reload_service() {
	/usr/bin/portmapper reload --config /etc/portmapper/portmapper.toml --state-dir /etc/portmapper/state
}

service_triggers() {
	procd_add_reload_trigger network
}
