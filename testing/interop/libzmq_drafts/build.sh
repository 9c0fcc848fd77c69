#!/bin/sh
# Builds libzmq.so in the folder HOME from the source of Debian's package, with the draft types and WebSocket: pyzmq's has
# neither, and Debian's build does not export what the draft types need. Usage: build.sh HOME
set -eu
here=$(dirname "$(realpath "$0")")
cd "$1"

# The source is where the package comes from.
uri() { apt-get download --print-uris libzmq5 2>/dev/null; }
[ -n "$(uri)" ] || apt-get update --quiet
pool=$(uri | sed "s|^'\(.*\)/[^/]*'.*|\1|")
fetch() { /usr/lib/apt/apt-helper download-file "$pool/$1" "$1" "SHA256:$2"; }
fetch zeromq3_4.3.4.orig.tar.gz 0ff5a531c9ffaf0dfdc7dc78d13d1383088f454896d252934c429b2554d10559
fetch zeromq3_4.3.4-6.debian.tar.xz fbb0dcb4ffbf483d416d9af722db74ad4edd7004625ce10381e8cd3a71b6cd58
tar xf zeromq3_4.3.4.orig.tar.gz --strip-components=1
tar xf zeromq3_4.3.4-6.debian.tar.xz
while read -r change; do patch --strip 1 --quiet <"debian/patches/$change"; done <debian/patches/series

cp "$here/platform.hpp" src/platform.hpp
mkdir objects
flags="-O0 -w -fPIC -fvisibility=hidden -D_GNU_SOURCE -DZMQ_CUSTOM_PLATFORM_HPP -Iinclude -Isrc"
# WebSocket over TLS would need GnuTLS.
for source in src/*.cpp src/tweetnacl.c external/sha1/sha1.c; do
    case $source in src/wss_*) ;; *) echo "$source" ;; esac
done | xargs -P "$(nproc)" -I SOURCE sh -c '
    case SOURCE in *.c) compiler=gcc ;; *) compiler="g++ -std=c++11" ;; esac
    exec $compiler '"$flags"' -c SOURCE -o objects/$(basename SOURCE).o'
g++ -shared -Wl,--no-undefined -o libzmq.so objects/*.o -lpthread -lrt
rm -r objects
