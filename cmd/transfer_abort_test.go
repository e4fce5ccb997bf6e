package cmd

import (
	"os"
	"path/filepath"
	"testing"
)

// runHere runs a command line in this process, where the tests can choose how temp files are made.
func runHere(t *testing.T, args ...string) error {
	t.Helper()
	return run(t.Context(), append([]string{"envseal"}, args...))
}

// A transfer that fails leaves the old output as it was, and no temp file.
func TestFailedTransferLeavesNothing(t *testing.T) {
	bothWays(t, func(t *testing.T) {
		home, dir := t.TempDir(), t.TempDir()
		t.Setenv("ENVSEAL_KEYSTORE", filepath.Join(home, "keystore"))
		plain, sealed, target := writeFile(t, filepath.Join(home, "plain"), "text"), filepath.Join(home, "sealed"), writeFile(t, filepath.Join(dir, "target"), "old")
		for _, args := range [][]string{
			{"keystore", "init", "--plaintext-insecure"},
			{"keystore", "create-key", "backup"},
			{"encrypt", "-k", "local:backup", "-o", sealed, plain},
		} {
			if err := runHere(t, args...); err != nil {
				t.Fatal(err)
			}
		}
		raw, err := os.ReadFile(sealed)
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)-1] ^= 1
		writeFile(t, sealed, string(raw))
		if code, _ := explain(runHere(t, "decrypt", "-q", "-f", "-o", target, sealed)); code != exitDamaged {
			t.Errorf("decrypt of a damaged file: exit code %d", code)
		}
		if code, _ := explain(runHere(t, "decrypt", "-q", "-o", filepath.Join(dir, "new"), sealed)); code != exitDamaged {
			t.Errorf("decrypt of a damaged file: exit code %d", code)
		}
		wantFiles(t, dir, map[string]string{"target": "old"})
	})
}
