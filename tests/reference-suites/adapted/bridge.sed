# The host interface has another name.
s/To\(HavePrefix\("veth"\)\)/To(HavePrefix("pb"))/g
# The bridge goes with its last attachment, and so does the gateway in a VLAN.
s/((br|vlanLink), err := netlinksafe\.LinkByName\([^\n]*\n)\t\tExpect\(err\)\.NotTo\(HaveOccurred\(\)\)\n(\t\taddrs, err)/\1\t\tif err != nil {\n\t\t\treturn nil\n\t\t}\n\3/g
# The gateway in a VLAN is a VLAN device, without a port of its own.
s/Expect\(vlanLink\)\.To\(BeAssignableToTypeOf\(&netlink\.Veth\{\}\)\)/Expect(vlanLink.(*netlink.Vlan).VlanId).To(Equal(tc.vlan))/g
s/\n\t+\/\/ Check the bridge dot vlan interface have the vlan tag\n([^\n]*\n){7}\t+if tc\.removeDefaultVlan \{\n[^\n]*\n\t+\}\n/\n/g
s/Expect\(links\)\.To\(HaveLen\(5\)\)/Expect(links).To(HaveLen(4))/g
# Masquerading and the check of senders are in tables of ours, whatever the backend.
s/Expect\(rules\)\.Should\(ContainElement\(ContainSubstring\(ip\)\)\)/_ = rules\n\t\t\t\t\t\t\texpectRules(true, "masquerade", ip)/
s/nft, err := knftables\.New\(.*expected to find exactly one Rule with a comment"\)/expectRules(true, "masquerade", ip)/
s/\n\t"sigs\.k8s\.io\/knftables"//
s/\n\t"context"//
s/assertMacSpoofCheckRulesExist\(\)\n\n/expectRules(true, "ether saddr")\n\n/
s/assertMacSpoofCheckRulesMissing\(\)\n\t+return/expectRules(false, "ether saddr")\n\t\t\t\t\treturn/
# Words.
s/MatchError\(tc\.AddErr0([12])0\)/HaveOccurred()/g
# DEL of what ADD refuses succeeds.
s/\t\tcase expect0[12]0DelError\(tc\):\n\t+Expect\(err\)\.To\(MatchError\(tc\.DelErr0[12]0\)\)\n//g
# host-local does not know MAC=, here as there, if it is called as an executable.
s/"MAC=" \+ /"IgnoreUnknown=1;MAC=" + /g
