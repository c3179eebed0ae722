// Command cnitool calls plugins the way runtimes do, by way of libcni. Its arguments and variables are those of the tool
// of the same name that accompanies libcni, which Debian does not package, and two more: CNI_CONTAINERID, and the command
// version, which lists what a plugin claims to speak.
//
//	cnitool add|check|del NETWORK NETNS
//	cnitool version PLUGIN
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/libcni"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	cni := libcni.NewCNIConfig(filepath.SplitList(os.Getenv("CNI_PATH")), nil)
	if len(args) == 2 && args[0] == "version" {
		info, err := cni.GetVersionInfo(context.Background(), args[1])
		if err == nil {
			fmt.Println(strings.Join(info.SupportedVersions(), "\n"))
		}
		return err
	}
	if len(args) != 3 {
		return fmt.Errorf("usage: cnitool add|check|del NETWORK NETNS, or cnitool version PLUGIN")
	}

	list, err := libcni.LoadConfList(os.Getenv("NETCONFPATH"), args[1])
	if err != nil {
		return err
	}
	attachment, err := attachment(args[2])
	if err != nil {
		return err
	}
	switch args[0] {
	case "add":
		result, err := cni.AddNetworkList(context.Background(), list, attachment)
		if err != nil {
			return err
		}
		return result.Print()
	case "check":
		return cni.CheckNetworkList(context.Background(), list, attachment)
	case "del":
		return cni.DelNetworkList(context.Background(), list, attachment)
	}
	return fmt.Errorf("unknown command %q", args[0])
}

func attachment(netns string) (*libcni.RuntimeConf, error) {
	conf := &libcni.RuntimeConf{
		ContainerID: os.Getenv("CNI_CONTAINERID"),
		NetNS:       netns,
		IfName:      os.Getenv("CNI_IFNAME"),
	}
	for _, pair := range strings.Split(os.Getenv("CNI_ARGS"), ";") {
		if key, value, found := strings.Cut(pair, "="); found {
			conf.Args = append(conf.Args, [2]string{key, value})
		}
	}
	if text := os.Getenv("CAP_ARGS"); text != "" {
		if err := json.Unmarshal([]byte(text), &conf.CapabilityArgs); err != nil {
			return nil, fmt.Errorf("CAP_ARGS: %v", err)
		}
	}
	return conf, nil
}
