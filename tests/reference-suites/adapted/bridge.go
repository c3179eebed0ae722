package main

import (
	"os/exec"
	"runtime"

	"github.com/onsi/gomega"
)

// expectRules looks for words in the packet filter of the thread's namespace.
func expectRules(wanted bool, words ...string) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	rules, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
	gomega.ExpectWithOffset(1, err).NotTo(gomega.HaveOccurred())
	for _, word := range words {
		if wanted {
			gomega.ExpectWithOffset(1, string(rules)).To(gomega.ContainSubstring(word))
		} else {
			gomega.ExpectWithOffset(1, string(rules)).NotTo(gomega.ContainSubstring(word))
		}
	}
}
