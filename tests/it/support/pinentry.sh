#!/bin/sh
# A pinentry for tests: answers with the file `pin` beside its link, or cancels where there is
# none, and adds a line to `asked` for every question.
place=$(dirname "$0")
echo "OK at your service"
while read -r command rest; do
    case $command in
    SETDESC) echo "$rest" >> "$place/asked"; echo OK ;;
    GETPIN)
        if [ -e "$place/pin" ]; then
            echo "D $(cat "$place/pin")"
            echo OK
        else
            echo "ERR 83886179 Operation cancelled <Pinentry>"
        fi
        ;;
    BYE) echo OK; exit ;;
    *) echo OK ;;
    esac
done
