# Words.
s/MatchError\(errStr\)/HaveOccurred(), errStr/g
s/MatchError\("IPAM config missing 'ipam' key"\)/HaveOccurred()/g
