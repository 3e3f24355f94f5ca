# All that iptables-save lists of the table filter but our chains and the jumps to them, without counters; and the files that are kept.
for program in iptables ip6tables; do
  $program-save -t filter | sed 's/^#.*//; s/\[[0-9:]*\]//' | grep --invert-match XMPP-EDGE-
done
sha256sum /etc/iptables/*
ipset list -name | grep --invert-match ^xmpp-edge-
true
