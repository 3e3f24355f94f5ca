-- {{ domain }}, as small as federation with TLS and dialback can be.
pidfile = "/run/prosody/prosody.pid"
log = { debug = "/var/log/prosody/prosody.log" }
modules_enabled = { "roster", "saslauth", "tls", "dialback", "disco", "ping", "admin_shell" }
modules_disabled = { {{ prosody_disabled | default('') }} }
authentication = "internal_plain"
interfaces = { "*", "::" }
s2s_require_encryption = {{ 'false' if prosody_disabled | default('') else 'true' }}
s2s_secure_auth = false
ssl = { certificate = "/etc/prosody/{{ domain }}.crt", key = "/etc/prosody/{{ domain }}.key" }
VirtualHost "{{ domain }}"
