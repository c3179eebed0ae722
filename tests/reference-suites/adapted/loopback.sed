# The executable under test, in the place of one that is built.
/gexec\.Build/ {
    s/import \(/import (\n\t"os"/
    s/var err error\n\tpathToLoPlugin, err = gexec\.Build\([^\n]*\n\tExpect\(err\)[^\n]*/pathToLoPlugin = os.Getenv("PLUGIN_UNDER_TEST")/
}
