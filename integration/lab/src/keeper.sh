# keeper OWNER DIRECTORY QEMU...: runs QEMU, and ends it when the process OWNER has ended, or the process of the run that has the
# machine, or when it was nobody's for a minute. Then the directory goes.
owner=$1 directory=$2
shift 2
"$@" &
machine=$!
echo $machine >"$directory/process"
unused=0
while sleep 1 && kill -0 $machine && kill -0 "$owner"; do
    if [ -e "$directory/free" ]; then
        unused=$((unused + 1))
        [ $unused -lt 60 ] || ! mv "$directory/free" "$directory/given-up" || break
    else
        unused=0
        for taken in "$directory"/taken-*; do
            # It may have been left just now.
            kill -0 "${taken##*-}" || [ -e "$directory/free" ] || break 2
        done
    fi
done 2>/dev/null
kill -KILL $machine 2>/dev/null
rm -rf "$directory"
