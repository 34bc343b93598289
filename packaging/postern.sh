#!/bin/sh
# There are keys in its memory.
ulimit -c 0
lib=@LIB@
case ${1-} in
  knock | close | ssh)
    # What client/make-snapshot.js made here, if it is of this very Node and client (docs/package.md); else as any other command.
    [ -n "${NODE_OPTIONS-}" ] || ! [ $lib/snapshot/node -ef $lib/node ] ||
      ! [ $lib/snapshot/client.blob -nt $lib/node ] || ! [ $lib/snapshot/client.blob -nt $lib/client/client.js ] ||
      exec $lib/node @FLAGS@ --snapshot-blob $lib/snapshot/client.blob $lib/client/main.js "$@"
    ;;
esac
exec $lib/node $lib/client/main.js "$@"
