# shellcheck shell=sh
# Every unmanaged table, and every unmanaged rule in it, without counters; and the files of the host.
for table in $(nft list tables | sed 's/^table //; s/ /:/' | grep --invert-match xmpp_edge); do
  nft list table "${table%%:*}" "${table##*:}" | grep --invert-match 'comment "xmpp_edge ' \
    | sed 's/packets [0-9]* bytes [0-9]*//'
done
sha256sum /etc/nftables.conf
find /etc/firewalld -type f -exec sha256sum {} +
systemctl is-active firewalld
true
