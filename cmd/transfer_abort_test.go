package cmd

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/testkit"
)

// A transfer that fails leaves the old output as it was, and no temp file.
func TestFailedTransferLeavesNothing(t *testing.T) {
	for _, machine := range machines[:2] {
		r, dir := newTreeRig(t, machine), t.TempDir()
		sealed := r.path("sealed")
		target := testkit.WriteFile(t, filepath.Join(dir, "target"), "old")
		r.envseal(0, "encrypt", "-o", sealed, testkit.WriteFile(t, r.path("plain"), "text"))
		raw, err := os.ReadFile(sealed)
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)-1] ^= 1
		testkit.WriteFile(t, sealed, string(raw))
		r.envseal(exit.Damaged, "decrypt", "-q", "-f", "-o", target, sealed)
		r.envseal(exit.Damaged, "decrypt", "-q", "-o", filepath.Join(dir, "new"), sealed)
		testkit.WantFiles(t, dir, map[string]string{"target": "old"})
	}
}
