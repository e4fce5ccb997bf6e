// Package memscan searches the memory of a process for keys. It is there for tests: it is how the
// promise of package secret is checked, from outside and without its help.
//
// A scan covers every resident or swapped page of the process, so it finds what lies in the heap,
// in stacks, in signal frames and in buffers of libraries alike. The process should wait at a
// known point while it is scanned.
package memscan

import (
	"fmt"
	"strings"
)

// Pattern is a run of bytes to look for, at least 4 and at most 4096 of them.
type Pattern struct {
	Name  string
	Bytes []byte
}

// Hit is one place where a pattern was found. A pattern that lies within the hit of a longer one
// is not reported on its own.
type Hit struct {
	Pattern string
	Address uint64
	Offset  uint64 // from the start of the mapping
	Mapping string // permissions and name, "rw-p [heap]"
	Locked  bool   // the mapping is locked and left out of core dumps (VmFlags lo and dd)
}

func (h Hit) String() string {
	class := "unprotected"
	if h.Locked {
		class = "locked"
	}
	return fmt.Sprintf("%s: %s at %x, %s +%x", class, h.Pattern, h.Address, h.Mapping, h.Offset)
}

// Unprotected returns the hits outside locked memory.
func Unprotected(hits []Hit) []Hit {
	var out []Hit
	for _, h := range hits {
		if !h.Locked {
			out = append(out, h)
		}
	}
	return out
}

// Summary lists hits one a line, for a test's message.
func Summary(hits []Hit) string {
	lines := make([]string, len(hits))
	for i, h := range hits {
		lines[i] = h.String()
	}
	return strings.Join(lines, "\n")
}
