# shellcheck shell=sh
# A host that drops by default what is for itself, with ufw.
ufw allow 22/tcp
ufw default allow routed
ufw --force enable
systemctl enable --now ufw
