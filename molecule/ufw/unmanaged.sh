# shellcheck shell=sh
# Every unmanaged rule, where it stands among the unmanaged ones; ufw's other files; and the live chains.
ufw status verbose | grep --invert-match xmpp_edge | sed 's/^\[[ 0-9]*\]//'
for file in user.rules user6.rules; do
  # Without the managed entries, each of which is a tuple, a rule and an empty line.
  sed '/comment=786d70705f65646765/,/^$/d' "/etc/ufw/$file"
done
cd /etc/ufw && sha256sum ufw.conf before.rules before6.rules after.rules after6.rules /etc/default/ufw
for program in iptables ip6tables; do
  $program-save | sed 's/^#.*//; s/\[[0-9:]*\]//' | grep --invert-match --extended-regexp 'dport (5269|23456) '
done
