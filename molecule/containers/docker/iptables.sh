#!/bin/sh
# The rules of Docker with its backend iptables, for one container at the bridge docker0, as its documentation
# "Packet filtering and firewalls" and iptables-save describe them. Arguments: program, network, container.
program=$1 network=$2 container=$3
case $container in *:*) target="[$container]" loopback=::1 ;; *) target=$container loopback=127.0.0.0/8 ;; esac
"$program-restore" --noflush << END
*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d $loopback -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s $network ! -o docker0 -j MASQUERADE
$(for port in 5269 23456 5222; do echo "-A DOCKER ! -i docker0 -p tcp -m tcp --dport $port -j DNAT --to-destination $target:$port"; done)
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
$(for port in 5269 23456 5222; do echo "-A DOCKER -d $container ! -i docker0 -o docker0 -p tcp -m tcp --dport $port -j ACCEPT"; done)
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
COMMIT
END
