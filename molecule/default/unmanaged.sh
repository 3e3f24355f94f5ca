# shellcheck shell=sh
# Every unmanaged table, without counters; and the file that the host loads.
for table in $(nft list tables | sed 's/^table //; s/ /:/' | grep --invert-match xmpp_edge); do
  nft -s list table "${table%%:*}" "${table##*:}"
done
sha256sum /etc/nftables.conf
