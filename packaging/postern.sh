#!/bin/sh
# There are keys in its memory.
ulimit -c 0
lib='@LIB@'
case ${1-} in
  knock | close | ssh)
    # From what client/make-snapshot.js made here, if that is of this very Node and client; else as any other command.
    blob=$lib/snapshot/client.blob
    [ -n "${NODE_OPTIONS-}" ] || ! [ "$lib/snapshot/node" -ef "$lib/node" ] ||
      ! [ "$blob" -nt "$lib/node" ] || ! [ "$blob" -nt "$lib/client/client.js" ] ||
      exec "$lib/node" @FLAGS@ --snapshot-blob "$blob" "$lib/client/main.js" "$@"
    ;;
esac
exec "$lib/node" "$lib/client/main.js" "$@"
