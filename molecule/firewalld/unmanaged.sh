# shellcheck shell=sh
# Every zone, and every unmanaged policy and ipset, in both configurations; and the administrator's files.
for where in "" --permanent; do
  firewall-cmd $where --list-all-zones | grep --invert-match 'rule priority="321'
  for policy in $(firewall-cmd $where --get-policies | tr ' ' '\n' | grep --invert-match ^xmpp-edge-); do
    firewall-cmd $where --info-policy="$policy"
  done
  for set in $(firewall-cmd $where --get-ipsets | tr ' ' '\n' | grep --invert-match ^xmpp-edge-); do
    firewall-cmd $where --info-ipset="$set"
  done
done
cd /etc/firewalld && sha256sum firewalld.conf zones/internal.xml policies/outwards.xml ipsets/admins.xml
sed '/<rule .*priority="321/,/<.rule>/d' zones/public.xml
