# Compares the specs of a suite, each with its state, with the failures that are expected. `lacking` names the features that the
# kernel does not have, each between blanks.
FILENAME ~ /expected$/ {
    if ($1 != suite || ($4 != "" && $4 != "sometimes" && index(lacking, " " $4 " ") == 0)) next
    patterns[++count] = "^(" $2 ")$"
    reasons[count] = $3
    may_pass[count] = $4 != ""
    next
}
{
    known = 0
    for (place = 1; place <= count && !known; place++) if ($2 ~ patterns[place]) known = place
    seen[known]++
    states[$1]++
    if ($1 == "failed" && !known) complain("fails: " $2)
    if ($1 == "passed" && known && !may_pass[known]) complain("passes, although it is expected to fail (" reasons[known] "): " $2)
}
END {
    for (place = 1; place <= count; place++) if (!seen[place]) complain("there is no spec " patterns[place])
    printf "%s: %d specs pass, %d fail, %d of all this is not as expected\n", suite, states["passed"], states["failed"], wrong
    exit wrong || !states["passed"]
}
function complain(what) { wrong++; print suite ": " what }
