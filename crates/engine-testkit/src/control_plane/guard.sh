# Runs a program that must not outlive the process that started it, whatever ends that process.
#
#   sh -c GUARD guard FOLDER PROGRAM ARGS...
#
# The owner holds the other end of standard input. When that closes (the owner let go, or died),
# the program is killed, and FOLDER, its scratch space, removed unless empty. When the program ends by itself,
# so does the guard, with its status.
PATH=/usr/bin:/bin
folder=$1
shift
# A command in the background gets an empty standard input; the real one is kept at 3.
exec 3<&0 0</dev/null
"$@" 3<&- &
program=$!
{
	while read -r _ <&3; do :; done
	# From here on the guard, which ends with the program, must not end this.
	trap '' TERM
	kill -KILL "$program"
	if [ -n "$folder" ]; then rm -rf -- "$folder"; fi
} >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$program"
status=$?
kill -TERM "$watcher" 2>/dev/null
wait "$watcher" 2>/dev/null
exit "$status"
