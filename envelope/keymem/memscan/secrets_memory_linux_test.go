//go:build secrets

package memscan_test

import (
	"runtime"
	"strings"
	"testing"
)

// TestSecretsInMemory searches the real program while it works. Outside locked memory there is
// nothing of a data key or of what is made of it, at no time; in it there is as long as it is
// needed, and no longer.
func TestSecretsInMemory(t *testing.T) {
	runtime.LockOSThread()
	r := newRig(t)
	all := r.ways(t)
	byRow := map[string][]way{}
	var rows []string
	for _, w := range all {
		row := w.name
		if strings.HasPrefix(row, "key pair") {
			row = "key pair"
		}
		if byRow[row] == nil {
			rows = append(rows, row)
		}
		byRow[row] = append(byRow[row], w)
	}
	t.Run("all", func(t *testing.T) {
		for _, row := range rows {
			for _, decrypt := range []bool{false, true} {
				p := plan{decrypt: decrypt}
				t.Run(row+"/"+p.direction(), func(t *testing.T) {
					t.Parallel()
					r.searchMany(t, row, byRow[row], p)
				})
			}
		}
	})
}

// searchMany runs many victims in turn through the ways of a row.
func (r *rig) searchMany(t *testing.T, row string, ways []way, p plan) {
	runtime.LockOSThread()
	found := newFindings()
	n := runs(t)
	for i := range n {
		p.way = ways[i%len(ways)]
		p.toFile = i/len(ways)%2 == 1
		p.compress = i/len(ways)%4 == 3
		r.start(t, p, found).hold()
	}
	found.check(t)
	report("key bytes in memory, "+row+", "+p.direction(), "envseal", n,
		found.copies(), found.remark())
}
