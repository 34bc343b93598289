#!/bin/sh
exec @LIB@/node @LIB@/client/main.js "$@"
