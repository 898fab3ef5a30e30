#!/usr/bin/env bash
# make-certificates.sh FOLDER HOST...: an authority of one's own and the broker's certificate for these names.
#
# HOST is what clients write as mqtt.host: a name or an IP address. Makes ca.crt, ca.key, broker.crt and broker.key.
# Run again with the same folder it keeps the authority, so that clients need nothing new, and renews the rest.
# Keep ca.key off the broker.
set -euo pipefail

if (($# < 2)); then
    echo "usage: ${0##*/} FOLDER HOST..." >&2
    exit 2
fi
folder=$1
shift
umask 077
mkdir -p "$folder"
cd "$folder"

names=()
for host; do
    if [[ $host =~ ^[0-9.]+$ || $host == *:* ]]; then
        names+=("IP:$host")
    else
        names+=("DNS:$host")
    fi
done

key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
if [[ ! -f ca.key ]]; then
    openssl req -x509 "${key[@]}" -days 3650 -subj "/CN=Vestibule broker authority" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout ca.key -out ca.crt 2>/dev/null
fi
openssl req "${key[@]}" -subj "/CN=$1" -keyout broker.key -out broker.csr 2>/dev/null
{
    echo "subjectAltName = $(IFS=,; echo "${names[*]}")"
    echo "basicConstraints = critical,CA:FALSE"
    echo "extendedKeyUsage = serverAuth"
} >broker.ext
openssl x509 -req -in broker.csr -CA ca.crt -CAkey ca.key -set_serial "0x$(openssl rand -hex 16)" -days 825 \
    -extfile broker.ext -out broker.crt 2>/dev/null
rm broker.csr broker.ext
openssl verify -CAfile ca.crt broker.crt >/dev/null
chmod 644 ca.crt broker.crt
echo "$PWD: ca.crt for the clients (mqtt.ca_file); broker.crt, broker.key and ca.crt for the broker"
