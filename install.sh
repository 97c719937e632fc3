#!/usr/bin/env bash
# Installs Portguard on this host, or a new version of it, and starts guarding.
# `./install.sh --help` tells the rest.
set -euo pipefail

readonly PROGRAM=/usr/local/sbin/portguard
readonly COMMAND=/usr/local/bin/portguard
readonly CONFIGURATION=/etc/portguard/portguard.toml
readonly OPERATOR=/etc/portguard/conf.d/10-operator.toml
readonly STATE=/var/lib/portguard
readonly UNIT=/etc/systemd/system/portguard.service
readonly LOAD_UNIT=/etc/systemd/system/portguard-load.service
readonly WEB_UNIT=/etc/systemd/system/portguard-web.service
readonly WEB_RULE=/etc/polkit-1/rules.d/50-portguard-web.rules
readonly WEB_STATE=/var/lib/portguard-web
readonly WEB_USER=portguard-web
readonly SHARE=/usr/local/share
readonly COMPLETIONS_BASH=$SHARE/bash-completion/completions/portguard
readonly COMPLETIONS_ZSH=$SHARE/zsh/site-functions/_portguard
readonly COMPLETIONS_FISH=$SHARE/fish/vendor_completions.d/portguard.fish
readonly GROUPS_USED=(portguard portguard-operators portguard-reporters)

# Seconds that a start or a stop may take.
readonly PATIENCE=60

help() {
    cat <<'END'
./install.sh [OPTION]

Installs what is needed from the distribution's packages (Debian, Ubuntu), builds Portguard with the
Rust toolchain that is there, installs it below /usr/local and starts it: as a systemd service, or in
the foreground where systemd does not run. Asks for root's rights through sudo where it needs them.
Run again, it brings the version of this folder; your configuration is never overwritten.

  --core-only   only the guard and its command line, without the web face
  --webui-only  only the web face, for a guard that is installed already
  --uninstall   stop guarding, take the program and its kernel table away;
                /etc/portguard, /var/lib/portguard and /var/lib/portguard-web stay
  --purge       with --uninstall: take these away as well
  --help        this text

PORTGUARD_SKIP_BUILD=FILE installs this program and builds nothing.
END
}

main() {
    cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
    # An ordinary user's PATH often lacks the folders of administration programs.
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
    local task=install purge=no option
    web=yes
    for option in "$@"; do
        case $option in
        --core-only) web=no ;;
        --webui-only) task=web ;;
        --uninstall) task=uninstall ;;
        --purge) purge=yes ;;
        --help | -h) help && exit 0 ;;
        *) refuse "unknown option $option" ;;
        esac
    done
    case $task:$purge in
    install:no) install_portguard "$@" ;;
    web:no) install_web_alone "$@" ;;
    install:yes | web:yes) refuse "--purge goes with --uninstall" ;;
    uninstall:*) uninstall_portguard "$purge" "$@" ;;
    esac
}

install_portguard() {
    local built previous=no
    if [ -n "${PORTGUARD_SKIP_BUILD:-}" ]; then
        built=$(readlink -f "$PORTGUARD_SKIP_BUILD")
        install_packages nft:nftables
    else
        install_packages nft:nftables cc:build-essential
        build
        built=$(readlink -f "${CARGO_TARGET_DIR:-target}/release/portguard")
    fi
    [ -x "$built" ] || fail "there is no program at $built"
    PORTGUARD_SKIP_BUILD=$built become_root "$@"

    make_groups
    make_web_user
    lay_out_configuration
    check_configuration "$built"
    allow_operator "$built"
    if [ -e $PROGRAM ]; then previous=yes; fi
    install_program "$built"
    install_pages
    if has_systemd; then
        start_service $previous
        if [ $web = yes ]; then start_web; fi
        tell_how_it_stands
    else
        run_in_foreground
    fi
}

# The guard's program has the web face in it: what is missing is its unit.
install_web_alone() {
    [ -x $PROGRAM ] || fail "the guard is not installed here; ./install.sh installs both"
    become_root "$@"
    has_systemd || fail "systemd does not run here; start it with: portguard web"
    make_groups
    make_web_user
    # The guard looks the user up when it starts.
    systemctl restart portguard.service
    start_web
    tell_of_web
}

uninstall_portguard() {
    local purge=$1 table=portguard
    shift
    become_root "$@"
    if [ -x $PROGRAM ]; then
        table=$($PROGRAM config show 2>/dev/null | value_of firewall table | tr -d '"') || true
    fi
    stop_guarding
    if nft list table inet "${table:=portguard}" >/dev/null 2>&1; then
        nft delete table inet "$table"
        say "took the kernel table away: inet $table"
    fi
    rm -f $PROGRAM $PROGRAM.previous $COMMAND $SHARE/man/man1/portguard.1 $SHARE/man/man1/portguard-*.1
    rm -f $COMPLETIONS_BASH $COMPLETIONS_ZSH $COMPLETIONS_FISH
    say "took the program away"
    if [ "$purge" = yes ]; then
        rm -rf "${CONFIGURATION%/*}" $STATE $WEB_STATE
        # Without systemd the web face may take a second longer than the guard to end.
        if getent passwd $WEB_USER >/dev/null; then userdel --force $WEB_USER 2>/dev/null; fi
        local group
        for group in "${GROUPS_USED[@]}" $WEB_USER; do
            if getent group "$group" >/dev/null; then groupdel "$group"; fi
        done
        say "took configuration, ledger and groups away"
    else
        say "${CONFIGURATION%/*} and $STATE stay; --uninstall --purge takes them away too"
    fi
}

# ---- Getting ready ---------------------------------------------------------------------------

# Installs the packages of missing programs, given as program:package.
install_packages() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
    done
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    command -v apt-get >/dev/null ||
        fail "missing packages: ${missing[*]}; without apt, please install them yourself"
    say "installing packages: ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q install --yes --no-install-recommends "${missing[@]}" ca-certificates
}

# Builds as the user who called, also through sudo: root's own files have no place in `target`.
build() {
    local caller=${SUDO_USER:-root} home cargo
    home=$(getent passwd "$caller" | cut -d: -f6)
    if [ "$(id -u)" -ne 0 ] || [ "$caller" = root ]; then home=$HOME; fi
    cargo=$(PATH=$PATH:${CARGO_HOME:-$home/.cargo}/bin command -v cargo) ||
        fail "there is no cargo: a Rust toolchain is needed, see https://rustup.rs"
    local command=(env "PATH=$(dirname "$cargo"):$PATH" cargo)
    if [ "$(id -u)" -eq 0 ] && [ "$caller" != root ]; then
        command=(sudo -H -u "$caller" "${command[@]}")
    fi
    local features=()
    if [ $web = yes ] && [ -e web/package.json ]; then
        say "building the web interface"
        if "${command[@]}" xtask web; then
            features=(--features embed-required)
        else
            say "the web interface cannot be built (its last lines are above); the guard is built without its pages"
        fi
    fi
    say "building; this takes some minutes"
    "${command[@]}" build --release --locked -p portguard "${features[@]}"
}

# Goes on as root: at once, or by starting this script again through sudo.
become_root() {
    if [ "$(id -u)" -eq 0 ]; then return; fi
    command -v sudo >/dev/null || fail "the rest needs root: run this script as root"
    exec sudo "PORTGUARD_SKIP_BUILD=${PORTGUARD_SKIP_BUILD:-}" \
        "SSH_CONNECTION=${SSH_CONNECTION:-}" "./${BASH_SOURCE[0]##*/}" "$@"
}

make_groups() {
    local group
    for group in "${GROUPS_USED[@]}"; do
        getent group "$group" >/dev/null || groupadd --system "$group"
    done
}

# The user of the web face, which reports log-ins and may do nothing else.
make_web_user() {
    getent passwd $WEB_USER >/dev/null ||
        useradd --system --user-group --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin $WEB_USER
    usermod --append --groups portguard-reporters $WEB_USER
}

# ---- Configuration ---------------------------------------------------------------------------

lay_out_configuration() {
    install -d -m 0755 "${CONFIGURATION%/*}" "${OPERATOR%/*}"
    install -d -m 0700 $STATE
    if [ ! -e $CONFIGURATION ]; then
        install -m 0644 packaging/portguard.toml $CONFIGURATION
    elif cmp -s packaging/portguard.toml $CONFIGURATION; then
        rm -f $CONFIGURATION.new
    else
        install -m 0644 packaging/portguard.toml $CONFIGURATION.new
        say "your configuration stays as it is; this version's own is $CONFIGURATION.new"
    fi
}

# A configuration that the new program does not understand must not stop the old one.
check_configuration() {
    "$1" --config $CONFIGURATION --quiet config check ||
        fail "nothing was changed but for what is told above: correct the configuration and come again"
}

# Whoever installs from afar must not be locked out by a slip of the hand.
allow_operator() {
    local built=$1 address allowed
    address=$(operator_address)
    if [ -z "$address" ] || [ -e $OPERATOR ]; then return; fi
    allowed=$("$built" --config $CONFIGURATION config show | value_of allow addresses)
    if [ "$allowed" != "[]" ]; then
        say "you come from $address; it is not added to your own allow list, $allowed"
        return
    fi
    cat >$OPERATOR <<END
# The address that Portguard was installed from: always let in, never banned.
# This list takes the place of the one in portguard.toml: put further addresses here, or delete
# this file and write the list there.
[allow]
addresses = ["$address"]
END
    chmod 0644 $OPERATOR
    if ! "$built" --config $CONFIGURATION --quiet config check; then
        rm -f $OPERATOR
        say "you come from $address, which cannot be put on the allow list"
    fi
}

# Prints the address that the user is logged in from, if it is from afar. sudo hides it from the
# environment, but not from that of the shell before it.
operator_address() {
    local connection=${SSH_CONNECTION:-${SSH_CLIENT:-}} pid=$$
    while [ -z "$connection" ] && [ "$pid" -gt 1 ]; do
        connection=$(tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | sed -n 's/^SSH_CONNECTION=//p') || true
        pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")
    done
    local address=${connection%% *}
    address=${address#::ffff:}
    # An address with a zone (fe80::1%eth0) is the neighbour's and says nothing elsewhere.
    if [[ $address =~ ^[0-9a-fA-F:.]+$ ]]; then echo "$address"; fi
}

# Prints the value of a key in a table of the TOML on standard input.
value_of() {
    sed -n "/^\[$1\]/,/^\[/ s/^$2 = //p"
}

# ---- Putting in place ------------------------------------------------------------------------

install_program() {
    install -D -m 0755 "$1" $PROGRAM.new
    if [ -e $PROGRAM ]; then ln -f $PROGRAM $PROGRAM.previous; fi
    mv -f $PROGRAM.new $PROGRAM
    install -d -m 0755 "${COMMAND%/*}"
    ln -sfn $PROGRAM $COMMAND
}

install_pages() {
    install -d -m 0755 $SHARE/man/man1
    install -d -m 0755 "${COMPLETIONS_BASH%/*}" "${COMPLETIONS_ZSH%/*}" "${COMPLETIONS_FISH%/*}"
    $PROGRAM man $SHARE/man/man1
    $PROGRAM completions bash >$COMPLETIONS_BASH
    $PROGRAM completions zsh >$COMPLETIONS_ZSH
    $PROGRAM completions fish >$COMPLETIONS_FISH
}

has_systemd() { [ -d /run/systemd/system ]; }

# Starts the service; where the new version does not come up, the previous one does.
start_service() {
    install -m 0644 packaging/systemd/portguard.service $UNIT
    install -m 0644 packaging/systemd/portguard-load.service $LOAD_UNIT
    systemctl daemon-reload
    systemctl --quiet enable portguard.service portguard-load.service
    if systemctl restart portguard.service; then return; fi
    journalctl --no-pager -u portguard.service -n 20 >&2 || true
    if [ "$1" = yes ]; then
        ln -f $PROGRAM.previous $PROGRAM
        systemctl restart portguard.service && fail "the new version does not start; the previous one runs again"
    fi
    fail "the service does not start; its last lines are above"
}

# Starts the web face, and lets it look after the guard's service.
start_web() {
    install -D -m 0644 packaging/polkit-1/rules.d/50-portguard-web.rules $WEB_RULE
    install -m 0644 packaging/systemd/portguard-web.service $WEB_UNIT
    systemctl daemon-reload
    systemctl --quiet enable portguard-web.service
    if systemctl restart portguard-web.service; then return; fi
    journalctl --no-pager -u portguard-web.service -n 20 >&2 || true
    say "the web face does not start (its last lines are above); the guard runs without it"
}

run_in_foreground() {
    stop_daemon
    say "systemd does not run here: guarding in the foreground, until Ctrl-C"
    { wait_until_ready && tell_how_it_stands; } &
    if [ $web = yes ]; then keep_web $$ & fi
    exec $PROGRAM daemon
}

# Runs the web face for as long as the process that becomes the daemon lives. That of an earlier
# installation makes way within a second.
keep_web() {
    local face
    while lives "$1"; do
        $PROGRAM web </dev/null &
        face=$!
        while lives "$1" && lives $face; do sleep 1; done
        kill -TERM $face 2>/dev/null || true
        wait $face || true
        if lives "$1"; then sleep 1; fi
    done
}

# A process that has ended, but whose parent does not care, has no program any more.
lives() { readlink "/proc/$1/exe" >/dev/null; }

wait_until_ready() {
    local deadline=$((SECONDS + PATIENCE))
    until $PROGRAM --json status 2>/dev/null | grep -Eq '"ready": ?true'; do
        if [ $SECONDS -ge $deadline ]; then return 1; fi
        sleep 0.2
    done
}

stop_guarding() {
    if has_systemd && [ -e $WEB_UNIT ]; then
        systemctl --quiet disable --now portguard-web.service
        rm -f $WEB_UNIT
    fi
    rm -f $WEB_RULE
    if has_systemd && [ -e $UNIT ]; then
        systemctl --quiet disable --now portguard.service portguard-load.service
        rm -f $UNIT $LOAD_UNIT
        systemctl daemon-reload
    else
        stop_daemon
    fi
}

# Ends a daemon that no systemd looks after. The kernel goes on guarding.
stop_daemon() {
    local pid deadline=$((SECONDS + PATIENCE))
    pid=$($PROGRAM --json status 2>/dev/null | sed -En 's/.*"pid": ?([0-9]+).*/\1/p') || true
    if [ -z "$pid" ]; then return; fi
    say "stopping the daemon (process $pid)"
    kill -TERM "$pid"
    while lives "$pid"; do
        if [ $SECONDS -ge $deadline ]; then fail "the daemon (process $pid) does not stop"; fi
        sleep 0.2
    done
}

# ---- Talking ---------------------------------------------------------------------------------

# Prints a link that lets one in once, unless somebody came in before.
tell_of_web() {
    printf '\n== The web face\n'
    if [ -e $WEB_STATE/access.json ]; then
        printf '  who may come in stays as it was; portguard web token prints a one-time link\n'
        return
    fi
    printf '  open this link, once, within 15 minutes, and set a password:\n  '
    $PROGRAM --quiet web token
    printf '  From afar: ssh -L 6060:127.0.0.1:6060 THIS-HOST, then the link.\n'
}

tell_how_it_stands() {
    local reload='kill -HUP PROCESS'
    if has_systemd; then reload='systemctl reload portguard'; fi
    printf '\n== How it stands\n'
    $PROGRAM status
    printf '\n== What it guards: who touches one of these is banned\n'
    $PROGRAM traps
    printf '\n== Who is protected: these can never be banned\n'
    $PROGRAM list protected
    printf '\n== Who is always let in\n'
    $PROGRAM list allowed
    if [ $web = yes ]; then tell_of_web; fi
    cat <<END

== How to go on
  portguard events -f       watch what happens
  portguard why ADDRESS     the whole story of an address, and how to undo it
  portguard check ADDRESS   is it banned? asks the kernel
  portguard unban ADDRESS   let it in again
  portguard open-ui         the web face
  adduser NAME portguard            lets a user look
  adduser NAME portguard-operators  lets a user order
  Traps, ladders and lists are in $CONFIGURATION:
  after a change \`portguard config check\`, then \`$reload\`.
END
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else
        command -v sudo >/dev/null || fail "root's rights are needed for: $*"
        sudo "$@"
    fi
}

say() { printf 'portguard: %s\n' "$*" >&2; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

refuse() {
    printf 'error: %s\nhint: ./install.sh --help\n' "$*" >&2
    exit 2
}

main "$@"
