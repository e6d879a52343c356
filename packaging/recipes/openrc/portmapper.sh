#!/sbin/openrc-run
# Untested. Install as /etc/init.d/portmapper, and create the user: adduser -S -D -H portmapper
name="portmapper"
description="Keep ports open on the gateway"
extra_started_commands="reload"
supervisor="supervise-daemon"
command="/usr/bin/portmapper"
command_args="run --config /etc/portmapper/portmapper.toml --state-dir /var/lib/portmapper"
command_user="portmapper"
output_log="/var/log/portmapper.log"
error_log="/var/log/portmapper.log"

depend() {
	need net
	after firewall
}

start_pre() {
	checkpath --directory --owner portmapper --mode 0700 /var/lib/portmapper
	checkpath --file --owner portmapper --mode 0640 /var/log/portmapper.log
}

reload() {
	ebegin "Reloading $name"
	"$command" reload --config /etc/portmapper/portmapper.toml --state-dir /var/lib/portmapper
	eend $?
}
