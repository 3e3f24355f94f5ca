# shellcheck shell=sh
# A host that drops by default what is for itself, with iptables alone.
for program in iptables ip6tables; do
  icmp=icmp
  [ $program = iptables ] || icmp=ipv6-icmp
  $program -A INPUT -i lo -j ACCEPT
  $program -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
  $program -A INPUT -p $icmp -j ACCEPT
  $program -A INPUT -p tcp --dport 22 -j ACCEPT
  $program -P INPUT DROP
done
