#!/bin/sh
# "make run": larderd on 127.0.0.1:8081 against the real services.  The
# configuration, an admin token and the database are in build/run; the first
# run makes them, later ones keep them.
set -eu
B=${B:-build}
D=$B/run
mkdir -p "$D"
if [ ! -e "$D/larder.json" ]; then
	"$B/larder" token add --sha512 --json -o "$D/admin.token" admin \
		>"$D/token.json"
	cat >"$D/larder.json" <<CONFIG
{
  "listen": [ { "address": "127.0.0.1:8081", "serve": ["pccs", "kds", "ops", "admin"] } ],
  "database": "sqlite:$D/larder.db",
  "mode": "lazy",
  "tokens": {
    "admin_sha512": [$(sed 's/.*"hash": \("[0-9a-f]*"\).*/\1/' "$D/token.json")]
  }
}
CONFIG
	rm -f "$D/token.json"
fi
cat <<TEXT
configuration: $D/larder.json
try:  curl -i http://127.0.0.1:8081/sgx/certification/v4/qe/identity
      curl -i http://127.0.0.1:8081/vcek/v1/Milan/cert_chain
      $B/larder status --token-file $D/admin.token
stop: Ctrl-C
TEXT
exec "$B/larderd" -c "$D/larder.json"
