#!/bin/sh
# check.sh PROGRAM... - runs each program in a folder of its own and checks the core it leaves, if it leaves one.
#
# Exit status: 0 all is well; 1 refheap found something, or a program failed; 2 something could not be checked.
# $REFHEAP names the refheap command; $REFHEAP_CHECKS the commands to run (default: gcverify).
# $REFHEAP_SARIF, if it is set, names a folder: there gcleaks, where it is one of them, writes a file for each core.
# A program that should be checked where it ends well calls abort() there and is listed with a leading "+".
refheap=${REFHEAP:-refheap}
worst=0
note() { [ "$1" -gt "$worst" ] && worst=$1; return 0; }

case $(cat /proc/sys/kernel/core_pattern) in
    '|'* | */*) echo "check.sh: cores do not go to the current folder: sysctl -w kernel.core_pattern=core" >&2; exit 2 ;;
esac
ulimit -c unlimited || exit 2
[ -z "$REFHEAP_SARIF" ] || mkdir -p "$REFHEAP_SARIF" || exit 2

for program; do
    wanted=${program#+}
    aborts=no
    [ "$program" = "$wanted" ] || aborts=yes
    case $wanted in /*) ;; *) wanted=$PWD/$wanted ;; esac
    folder=$(mktemp -d) || exit 2
    (cd "$folder" && exec "$wanted" >output 2>&1)
    status=$?
    [ "$status" -eq 0 ] || cat "$folder/output"
    core=$(find "$folder" -name 'core*' | head -n 1)
    if [ -n "$core" ]; then
        for check in ${REFHEAP_CHECKS:-gcverify}; do
            echo "== $program: $check"
            case $check${REFHEAP_SARIF:+/} in
                gcleaks/) report=--sarif=$REFHEAP_SARIF/$(printf %s "${program#+}" | tr / _).sarif ;;
                *) report= ;;
            esac
            "$refheap" --core "$core" --exe "$wanted" "$check" --check ${report:+"$report"}
            note $?
        done
        [ "$aborts" = yes ] || note 1 # nobody asked it to abort
    elif [ "$aborts" = yes ]; then
        echo "== $program: ended with $status and left no core" >&2
        note 2
    elif [ "$status" -ne 0 ]; then
        echo "== $program: ended with $status" >&2
        note 1
    fi
    rm -r "$folder"
done
exit "$worst"
