# Starts a Postgres server, keeps it while anybody uses it, then ends it and removes what it wrote.
#
# It runs beside the server: for local binaries in a process group of its own, with `local` for its
# argument, or as the command of a container, with `docker`. Nothing else stops the server, so it
# makes no difference how the processes that use it end.
#
# A user holds the lease: a connection with a shared advisory lock on $PORTPROOF_LEASE. To stop,
# this takes the same lock exclusively and sends the signal while it holds it. Whoever asks for the
# lease either has it before that, and the server stays, or is refused, and starts another.
#
# The second argument is, for a local server, a directory to create now and to remove at the end.
# Environment: PORTPROOF_LEASE, PORTPROOF_PORT, PORTPROOF_PASSWORD; for a local server also
# PORTPROOF_BIN, the directory of the binaries. With PORTPROOF_HASTE it looks more often, and so gives
# up sooner: for its own tests.
set -u
umask 077
unset PORTPROOF_SCRIPT
mode=$1
directory=${2-}
tick=1           # seconds between two looks, until the server answers
later_tick=2     # and from then on
[ -z "${PORTPROOF_HASTE-}" ] || { tick=0.4 later_tick=0.8; }
first_looks=8    # looks without a user before the first one has come
idle_looks=5     # looks without a user afterwards: the next test binary finds it warm
start_looks=120  # looks before a server that never answered is given up
silent_looks=300 # looks before a server that answered once and now refuses is given up

stopping=no
trap '' HUP INT
trap 'stopping=yes' TERM

# Speed over durability: what is in it dies with it. Autovacuum would only get in the way of
# copying template databases.
settings="-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off
    -c max_connections=200 -c log_min_messages=log -c log_checkpoints=off"

psql=psql
[ "$mode" = docker ] || psql=$PORTPROOF_BIN/psql
ask() {
    PGHOST=127.0.0.1 PGPORT=$PORTPROOF_PORT PGUSER=postgres PGDATABASE=postgres \
        PGPASSWORD=$PORTPROOF_PASSWORD PGCONNECT_TIMEOUT=5 PGSSLMODE=disable PGAPPNAME=portproof \
        "$psql" -X -A -t -q "$@" 2>/dev/null
}

# Leaves the log for the process that waits for the server; if that one is gone, nobody reads it.
fail() {
    if [ "$mode" = docker ]; then
        echo "portproof: postgres ended before it was ready" >&2
        sleep 10
        exit 1
    fi
    : >"$directory/failed"
    left=15
    while [ -d "$directory" ] && [ "$left" -gt 0 ]; do
        sleep 1
        left=$((left - 1))
    done
    rm -rf "$directory"
    exit 1
}

if [ "$mode" = docker ]; then
    # shellcheck disable=SC2086 # several words on purpose
    docker-entrypoint.sh postgres $settings &
else
    mkdir "$directory" || exit 1
    cd "$directory" || exit 1
    echo $$ >supervisor
    printf '%s\n' "$PORTPROOF_PASSWORD" >password
    set -- -D "$directory/data" -U postgres --pwfile=password -E UTF8 --locale=C -A password --no-sync
    # A linguistic collation where the server has one: a statement that only sorts right under "C"
    # should be noticed. Servers before 15, or built without ICU, know only the system's.
    "$PORTPROOF_BIN/initdb" "$@" --locale-provider=icu --icu-locale=en-US >log 2>&1 || {
        rm -rf data
        "$PORTPROOF_BIN/initdb" "$@" >log 2>&1 || fail
    }
    rm -f password
    # shellcheck disable=SC2086
    "$PORTPROOF_BIN/postgres" -D "$directory/data" -p "$PORTPROOF_PORT" $settings \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories= >>log 2>&1 &
fi
server=$!

# Ends the server if nobody uses it, and holds the lock until that has cut this session off.
end_if_unused() {
    ask <<SQL
select pg_try_advisory_lock($PORTPROOF_LEASE) and not exists (
    select from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
) as unused \gset
\if :unused
\! kill -INT $server
select pg_sleep(60);
\endif
SQL
}

answered=no
silent=0
idle=0
patience=$first_looks
while kill -0 "$server" 2>/dev/null && [ "$stopping" = no ]; do
    sleep "$tick"
    users=$(ask -c "select count(*) from pg_stat_activity
        where backend_type = 'client backend' and pid <> pg_backend_pid()") || users=
    if [ -z "$users" ]; then
        silent=$((silent + 1))
        limit=$start_looks
        [ "$answered" = no ] || limit=$silent_looks
        [ "$silent" -lt "$limit" ] || stopping=yes
        continue
    fi
    silent=0
    if [ "$answered" = no ]; then
        answered=yes
        tick=$later_tick
        # A statement whose client was killed ends with it (from version 14 on, not everywhere).
        ask -c "alter system set client_connection_check_interval = '1s'" -c "select pg_reload_conf()" >/dev/null
    fi
    if [ "$users" -gt 0 ]; then
        idle=0
        patience=$idle_looks
    else
        idle=$((idle + 1))
        [ "$idle" -lt "$patience" ] || end_if_unused >/dev/null
    fi
done

if [ "$answered" = no ] && [ "$stopping" = no ]; then
    fail
fi
# Whatever the reason to be here, the server is gone before its files are.
for signal in INT QUIT KILL; do
    left=5
    while kill -"$signal" "$server" 2>/dev/null && [ "$left" -gt 0 ]; do
        sleep 1
        left=$((left - 1))
    done
done
if [ "$mode" = local ]; then
    cd / && rm -rf "$directory"
fi
