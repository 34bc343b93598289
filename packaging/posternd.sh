#!/bin/sh
exec @LIB@/node @LIB@/gate/posternd/main.js "$@"
