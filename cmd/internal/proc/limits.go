package proc

import "golang.org/x/sys/unix"

// MostDescriptors is how many descriptors the process may have open, a million at the most.
func MostDescriptors() int {
	const most = 1 << 20
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return most
	}
	return int(min(uint64(limit.Cur), most))
}
