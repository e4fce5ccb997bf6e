package memscan

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
)

// mapping is one entry of /proc/PID/smaps.
type mapping struct {
	low, high uint64
	perm      string
	name      string
	flags     []string // of VmFlags: "lo" locked, "dd" not dumped, "wf" wiped on fork
}

func (m mapping) locked() bool {
	return slices.Contains(m.flags, "lo") && slices.Contains(m.flags, "dd")
}

// kernelOwned reports whether the kernel made the mapping for its own data; some cannot be read.
func (m mapping) kernelOwned() bool { return strings.HasPrefix(m.name, "[v") }

func (m mapping) String() string {
	if m.name == "" {
		return m.perm + " anonymous"
	}
	return m.perm + " " + m.name
}

func mappings(pid int) ([]mapping, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []mapping
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		var m mapping
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &m.low, &m.high, &m.perm); n == 3 {
			if fields := strings.Fields(line); len(fields) > 5 {
				m.name = strings.Join(fields[5:], " ")
			}
			out = append(out, m)
		} else if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && len(out) > 0 {
			out[len(out)-1].flags = strings.Fields(flags)
		}
	}
	return out, lines.Err()
}

// span is a run of pages that hold something, in memory or swapped out.
type span struct{ low, high uint64 }

// held returns the spans of m, none longer than limit, from /proc/PID/pagemap: bits 63 and 62 of a
// page's entry say that it is present or swapped.
func (m mapping) held(pagemap *os.File, limit uint64) ([]span, error) {
	page := uint64(os.Getpagesize())
	entries := make([]byte, 8*min((m.high-m.low)/page, 1<<16))
	var out []span
	for at := m.low; at < m.high; {
		part := entries[:8*min((m.high-at)/page, 1<<16)]
		if _, err := pagemap.ReadAt(part, int64(at/page*8)); err != nil {
			return nil, fmt.Errorf("page map of %x: %w", at, err)
		}
		for ; len(part) > 0; part, at = part[8:], at+page {
			if binary.NativeEndian.Uint64(part)>>62 == 0 {
				continue
			}
			if last := len(out) - 1; last >= 0 && out[last].high == at && at-out[last].low < limit {
				out[last].high += page
			} else {
				out = append(out, span{at, at + page})
			}
		}
	}
	return out, nil
}
