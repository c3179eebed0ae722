// Stands in the place of a reference plugin's cmdAdd and its companions: calls the executable under test, as a runtime does.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/onsi/ginkgo/v2"
)

func cmdAdd(args *skel.CmdArgs) error    { return called("ADD", args) }
func cmdDel(args *skel.CmdArgs) error    { return called("DEL", args) }
func cmdCheck(args *skel.CmdArgs) error  { return called("CHECK", args) }
func cmdStatus(args *skel.CmdArgs) error { return called("STATUS", args) }

func called(command string, args *skel.CmdArgs) error {
	// The namespace is that of the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	plugin := os.Getenv("PLUGIN_UNDER_TEST")
	call := exec.Command(plugin)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "CNI_") || strings.HasPrefix(variable, "CNI_NETNS_OVERRIDE=") {
			call.Env = append(call.Env, variable)
		}
	}
	call.Env = append(call.Env, "CNI_COMMAND="+command, "CNI_PATH="+filepath.Dir(plugin))
	if command != "STATUS" {
		call.Env = append(call.Env, "CNI_CONTAINERID="+args.ContainerID, "CNI_NETNS="+args.Netns,
			"CNI_IFNAME="+args.IfName, "CNI_ARGS="+args.Args)
	}
	call.Stdin = bytes.NewReader(args.StdinData)
	var answer, remarks bytes.Buffer
	call.Stdout, call.Stderr = &answer, &remarks
	failure := call.Run()
	fmt.Fprintf(ginkgo.GinkgoWriter, "%s %s %v\n%s\n%s\n%s\n", plugin, command, failure, args.StdinData, &answer, &remarks)
	if failure != nil {
		told := &types.Error{}
		if json.Unmarshal(answer.Bytes(), told) == nil && told.Msg != "" {
			return told
		}
		return fmt.Errorf("%s: %w: %s", plugin, failure, &answer)
	}
	if command == "ADD" {
		os.Stdout.Write(answer.Bytes())
	}
	return nil
}
