package cmd

import (
	"os"
	"path/filepath"
	"testing"
)

// A transfer that fails leaves the old output as it was, and no temp file.
func TestFailedTransferLeavesNothing(t *testing.T) {
	for _, machine := range machines[:2] {
		r, dir := newTreeRig(t, machine), t.TempDir()
		sealed := r.path("sealed")
		target := writeFile(t, filepath.Join(dir, "target"), "old")
		r.envseal(0, "encrypt", "-o", sealed, writeFile(t, r.path("plain"), "text"))
		raw, err := os.ReadFile(sealed)
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)-1] ^= 1
		writeFile(t, sealed, string(raw))
		r.envseal(exitDamaged, "decrypt", "-q", "-f", "-o", target, sealed)
		r.envseal(exitDamaged, "decrypt", "-q", "-o", filepath.Join(dir, "new"), sealed)
		wantFiles(t, dir, map[string]string{"target": "old"})
	}
}
