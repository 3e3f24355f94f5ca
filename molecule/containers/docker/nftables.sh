#!/bin/sh
# The rules of Docker with its backend nftables, for one container at the bridge docker0, as its documentation
# "Docker with nftables" describes them. Arguments: family, network, container.
family=$1 network=$2 container=$3
case $container in *:*) target="[$container]" loopback=::1 ;; *) target=$container loopback=127.0.0.0/8 ;; esac
nft -f - << END
table $family docker-bridges {
  map filter-forward-in-jumps {
    type ifname : verdict
    elements = { "docker0" : jump filter-forward-in__docker0 }
  }
  map filter-forward-out-jumps {
    type ifname : verdict
    elements = { "docker0" : jump filter-forward-out__docker0 }
  }
  map nat-postrouting-out-jumps {
    type ifname : verdict
    elements = { "docker0" : jump nat-postrouting-out__docker0 }
  }
  chain filter-FORWARD {
    type filter hook forward priority filter; policy accept;
    oifname vmap @filter-forward-in-jumps
    iifname vmap @filter-forward-out-jumps
  }
  chain nat-OUTPUT {
    type nat hook output priority dstnat; policy accept;
    $family daddr != $loopback fib daddr type local counter jump nat-prerouting-and-output
  }
  chain nat-POSTROUTING {
    type nat hook postrouting priority srcnat; policy accept;
    iifname vmap @nat-postrouting-out-jumps
  }
  chain nat-PREROUTING {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local counter jump nat-prerouting-and-output
  }
  chain nat-prerouting-and-output {
$(for port in 5269 23456 5222; do echo "    iifname != \"docker0\" tcp dport $port counter dnat to $target:$port comment \"DNAT\""; done)
  }
  chain filter-forward-in__docker0 {
    ct state established,related counter accept
    iifname "docker0" counter accept comment "ICC"
$(for port in 5269 23456 5222; do echo "    $family daddr $container tcp dport $port counter accept"; done)
    counter drop comment "UNPUBLISHED PORT DROP"
  }
  chain filter-forward-out__docker0 {
    ct state established,related counter accept
    counter accept comment "OUTGOING"
  }
  chain nat-postrouting-out__docker0 {
    oifname != "docker0" $family saddr $network counter masquerade comment "MASQUERADE"
  }
}
END
