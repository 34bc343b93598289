#!/bin/sh
# There are keys in its memory.
ulimit -c 0
exec @LIB@/node @LIB@/client/main.js "$@"
