# shellcheck shell=sh
# A host that rejects by default what is for itself, with firewalld as Debian sets it up. Its interfaces are in one zone, between
# which firewalld forwards.
systemctl enable --now firewalld
for path in /sys/class/net/*; do
  [ "${path##*/}" = lo ] || firewall-cmd --quiet --permanent --zone=public --add-interface="${path##*/}"
done
firewall-cmd --quiet --reload
