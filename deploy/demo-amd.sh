# AMD's part of the tour: sourced by demo.sh, whose helpers it uses.
# shellcheck shell=sh disable=SC2154 # B T SIM URL are demo.sh's
#
# Guests are processes in network namespaces of their own, behind veth pairs,
# as in deploy/metadata/README; where the kernel refuses namespaces they have
# a unix socket each.

G1='' G2=''
THIM=/metadata/THIM/amd/certification
LINK_LOCAL=169.254.169.254

# Once more in a network namespace, if there are any for us.
amd_net() {
	if [ -z "${DEMO_NET:-}" ]; then
		export DEMO_NET=no
		for u in 'unshare -n' 'unshare -rn'; do
			$u sh -c 'ip link set lo up &&
			    ip link add name vg0 type veth peer name vg1 &&
			    unshare -n true' >/dev/null 2>&1 || continue
			DEMO_NET=yes
			break
		done
		# shellcheck disable=SC2086 # words
		[ "$DEMO_NET" = no ] || exec $u "$0"
	fi
	[ "$DEMO_NET" = no ] || ip link set lo up
}

# guest NUMBER COMMAND...
guest() {
	if [ "$1" = 1 ]; then
		ns=$G1
	else
		ns=$G2
	fi
	shift
	nsenter -t "$ns" -n "$@"
}

apart() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }

guest_up() {
	unshare -n sleep 600 &
	ns=$!
	await apart "$ns" || fail 'no network namespace for a guest'
	ip link add name "vg$1" type veth peer name eth0 netns "$ns"
	ip address add "10.77.$1.1/24" dev "vg$1"
	ip link set "vg$1" up
	eval "G$1=$ns"
	guest "$1" ip link set lo up
	guest "$1" ip address add "10.77.$1.2/24" dev eth0
	guest "$1" ip link set eth0 up
	guest "$1" ip route add default via "10.77.$1.1"
}

amd_guests_up() {
	[ "$DEMO_NET" = yes ] || return 0
	ip address add $LINK_LOCAL/32 dev lo
	guest_up 1
	guest_up 2
}

amd_guests_down() {
	for ns in $G1 $G2; do
		kill "$ns" 2>/dev/null || true
	done
}

# Chip n of the simulator, and a member of what is known of it.
chip() { curl -s "$SIM/_sim/chip?n=$1" | jq -r ".$2"; }

# Listeners and rows of larder.json for the guests' metadata service.
amd_listen() {
	if [ "$DEMO_NET" = yes ]; then
		echo ", { \"address\": \"$LINK_LOCAL:80\", \"serve\": [\"thim\"] }"
	else
		for n in 1 2; do
			echo ", { \"address\": \"unix:$T/guest$n.sock\", \"serve\": [\"thim\"] }"
		done
	fi
}
amd_row() {
	match="10.77.$1.2/32"
	[ "$DEMO_NET" = yes ] || match="listen:unix:$T/guest$1.sock"
	echo "{ \"match\": [\"$match\"], \"product\": \"$(chip "$2" product)\"," \
		"\"chip_id\": [\"$(chip "$2" hwid)\"], \"tcb\": \"$(chip "$2" tcb)\" }"
}
amd_hosts() { echo "[ $(amd_row 1 0), $(amd_row 2 2) ]"; }
amd_trust() {
	sep=''
	for p in Milan Genoa Turin; do
		echo "$sep\"$p\": [\"$("$B/larder-sim" --amd-root "$p")\"]"
		sep=', '
	done
}

# As guest NUMBER asks: its status; the answer in $T/body.
guest_asks() {
	n=$1 query=$2
	shift 2
	if [ "$DEMO_NET" = yes ]; then
		guest "$n" curl -s -o "$T/body" -w '%{http_code}' "$@" \
			"http://$LINK_LOCAL$THIM$query"
	else
		curl -s -o "$T/body" -w '%{http_code}' "$@" \
			--unix-socket "$T/guest$n.sock" "http://localhost$THIM$query"
	fi
}

# guest_gets NUMBER STATUS TITLE QUERY [CURL-ARGUMENT...]
guest_gets() {
	n=$1 want=$2 title=$3 query=$4
	shift 4
	got=$(guest_asks "$n" "$query" "$@")
	say "$(printf 'guest %s, %-40s %s' "$n" "$title" "$got")"
	[ "$got" = "$want" ] || fail "guest $n got $got, not $want"
}

# The three certificates of the metadata answer verify by themselves.
amd_chain_holds() {
	jq -r .vcekCert "$T/body" >"$T/vcek.pem"
	jq -r .certificateChain "$T/body" >"$T/chain.pem"
	sed -n '/BEGIN/,/END/p;/END/q' "$T/chain.pem" >"$T/ask.pem"
	sed '1,/END/d' "$T/chain.pem" >"$T/ark.pem"
	openssl verify -CAfile "$T/ark.pem" -untrusted "$T/ask.pem" \
		"$T/vcek.pem" >/dev/null || fail 'the chain of the answer'
}

amd_tour() {
	vcek=$(chip 1 path) cold=$(chip 4 path)
	echo "$vcek" >"$T/vcek.path"

	step 'AMD: the certificate of a Genoa chip, cold, then from the cache'
	get 'VCEK, cold' "$vcek"
	get 'VCEK, again' "$vcek"
	[ "$(asked "$vcek")" = 1 ] || fail 'KDS was asked more than once'
	openssl x509 -inform der -in "$T/body" -noout -subject -issuer |
		sed 's/.*CN = /   CN = /'
	get 'ASK and ARK' /vcek/v1/Genoa/cert_chain
	get 'CRL' /vcek/v1/Genoa/crl
	say 'a report that this chip has signed, judged with them:'
	curl -s "$SIM/_sim/report?n=1" >"$T/report.bin"
	curl -s -H 'Content-Type: application/octet-stream' \
		--data-binary "@$T/report.bin" "$URL/v1/verify" >"$T/verdict.json"
	jq -c '{verdict, tcb: .snp.reported_tcb}' "$T/verdict.json" | sed 's/^/   /'
	[ "$(jq -r .verdict "$T/verdict.json")" = accepted ] || fail 'the verdict'

	if [ "$DEMO_NET" = yes ]; then
		step "Two guests, each in a network namespace of its own, ask $LINK_LOCAL"
	else
		step 'Two guests, each with a unix socket (no network namespaces here)'
	fi
	guest_gets 1 200 'its chip, a Milan' '' -H Metadata:true
	say "tcbm $(jq -r .tcbm "$T/body"), three certificates"
	amd_chain_holds
	say 'leaf, ASK and ARK verify with openssl'
	guest_gets 2 200 'its chip, a Turin' '' -H Metadata:true
	say "tcbm $(jq -r .tcbm "$T/body")"
	guest_gets 2 403 "naming the other's chip" \
		"?platformId=$(chip 0 chip_id)" -H Metadata:true
	guest_gets 1 400 'without the Metadata header' ''
	guest_gets 1 400 'through a proxy' '' -H Metadata:true \
		-H 'X-Forwarded-For: 10.0.0.1'

	step 'KDS answers 429 and nothing else'
	curl -sG "$SIM/_sim/fault" --data-urlencode 'path=/v*' \
		-d 'kind=status&status=429' >/dev/null
	get 'VCEK of another chip, cold' "$cold" 503
	say "$(header Larder-Reason)  $(header Retry-After)"
	get 'VCEK that is cached' "$vcek"
	get 'ASK and ARK' /vcek/v1/Genoa/cert_chain
	guest_gets 1 200 'its chip' '' -H Metadata:true
	curl -s "$SIM/_sim/clear" >/dev/null
}

# What needs no KDS any more.
amd_held() {
	get 'VCEK of AMD' "$(cat "$T/vcek.path")"
	get 'ASK and ARK' /vcek/v1/Genoa/cert_chain
	get 'CRL of AMD' /vcek/v1/Genoa/crl
	guest_gets 1 200 'its chip' '' -H Metadata:true
}
