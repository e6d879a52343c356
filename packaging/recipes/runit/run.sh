#!/bin/sh
# Untested. Install as /etc/sv/portmapper/run, and create the user `portmapper`.
exec 2>&1
install -d -o portmapper -m 0700 /var/lib/portmapper
exec chpst -u portmapper /usr/bin/portmapper run --config /etc/portmapper/portmapper.toml --state-dir /var/lib/portmapper
