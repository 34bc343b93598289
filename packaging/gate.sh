# What installing and removing a gate takes, for the tarball's scripts and for Debian's; put in their place by script/package.

COMMENT='Postern, the sentry'

systemd_runs() {
  [ -d /run/systemd/system ] && command -v systemctl >/dev/null
}

# The user of the sentry: owns nothing, logs in nowhere.
add_user() {
  ! getent passwd postern >/dev/null || return 0
  if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers "$1"
  else
    useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin --comment "$COMMENT" postern
  fi
}

# Starts nothing that did not run: a gate begins with `posternd init`, and an admin enables it.
take_over() {
  systemd_runs || return 0
  systemctl daemon-reload
  systemctl try-restart posternd.service
}

stop_service() {
  ! systemd_runs || systemctl disable --now posternd.service
}

# Without a daemon nobody could be let in any more: what is hidden is shown again.
show_services() {
  command -v nft >/dev/null || return 0
  ! nft list table inet postern >/dev/null 2>&1 || nft delete table inet postern
}

# The user goes only if it is the one that we made.
purge() {
  rm -rf /etc/postern /var/lib/postern /run/postern
  case $(getent passwd postern) in
    *:"$COMMENT":*) userdel postern ;;
  esac
}
