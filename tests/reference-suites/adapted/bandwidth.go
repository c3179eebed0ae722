package main

import "github.com/vishvananda/netlink"

// theIfb names the only ifb of the namespace, or none that there is.
func theIfb() string {
	links, err := netlink.LinkList()
	if err != nil {
		panic(err)
	}
	for _, link := range links {
		if link.Type() == "ifb" {
			return link.Attrs().Name
		}
	}
	return "no-ifb"
}
