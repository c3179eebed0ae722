# Words: the message begins with the source of the address.
s/MatchError\(errStr\)/HaveOccurred(), errStr/g
s/HavePrefix\("failed to allocate all requested IPs/ContainSubstring("failed to allocate all requested IPs/g
