# shellcheck shell=sh
# All unmanaged chains and rules of the table filter, without the jumps to managed chains and without counters; the
# persisted files; and all unmanaged sets.
for program in iptables ip6tables; do
  $program-save -t filter | sed 's/^#.*//; s/\[[0-9:]*\]//' | grep --invert-match XMPP-EDGE-
done
sha256sum /etc/iptables/*
ipset list -name | grep --invert-match ^xmpp-edge-
true
