//go:build secrets

package memscan_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"testing"

	"github.com/envseal/envseal/cmd/e2e/testhome"
	"github.com/envseal/envseal/envelope/keymem/memscan"
	"github.com/envseal/envseal/format"
	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/keyring"
	"github.com/envseal/envseal/kmsclient/keystore"
)

// TestSecretsInSuite runs the scripts that test the program, and searches all that was said in them
// for the keys of all files that they have sealed.
func TestSecretsInSuite(t *testing.T) {
	if runs(t) < defaultRuns/4 {
		t.Skip("the scripts take too long for the short form")
	}
	runtime.LockOSThread()
	t.Parallel()
	needTools(t, "go")
	dir := t.TempDir()
	cmd := exec.Command("go", "test", "-count=1", "-v", "-run", "^TestScript$",
		"./cmd/e2e", "-testwork")
	cmd.Dir, cmd.Env = testhome.Module(), append(os.Environ(), "TMPDIR="+dir)
	log, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the scripts do not pass: %v\n%s",
			err, bytes.Join(regexp.MustCompile(`.*(?:FAIL|panic): .*`).FindAll(log, 20), []byte("\n")))
	}
	headers, stores := sealedBelow(t, dir)
	var patterns []memscan.Pattern
	keys := 0
	for _, h := range headers {
		if key := openWith(t, h, stores); key != nil {
			s := scheduleOf(t, h, key)
			for name, secret := range map[string][]byte{"data key": s.dataKey, "pseudorandom key": s.prk,
				"payload key": s.payload} {
				patterns = append(patterns, textPatterns(name, secret)...)
			}
			keys++
		}
	}
	if keys < 20 || !bytes.Contains(log, []byte("envseal encrypt")) {
		t.Fatalf("only %d files opened, of %d that were found, with %d keystores",
			keys, len(headers), len(stores))
	}
	hits, err := memscan.Search(log, patterns)
	must(t, err)
	if len(hits) > 0 {
		t.Errorf("in the output of the scripts there are keys:\n%s", memscan.Summary(hits))
	}
	report("key bytes in the output of the test scripts", "envseal", keys, len(hits),
		fmt.Sprintf("keys of %d files looked for in %d bytes", keys, len(log)))
}

// sealedBelow finds sealed files, each once, and keystores that open without a passphrase.
func sealedBelow(t *testing.T, dir string) (headers []*format.Header, stores []*keystore.Store) {
	t.Helper()
	seen := map[[32]byte]bool{}
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // what a script has locked away
		}
		if h := headerIn(path); h != nil && !seen[h.FileID] {
			seen[h.FileID] = true
			headers = append(headers, h)
			return nil
		}
		if s, err := keystore.Open(path, keystore.Options{}); err == nil {
			t.Cleanup(func() { must(t, s.Close()) })
			stores = append(stores, s)
		}
		return nil
	}))
	return headers, stores
}

// openWith gives the data key of a file, nil where no keystore has it.
func openWith(t *testing.T, h *format.Header, stores []*keystore.Store) []byte {
	t.Helper()
	for _, s := range stores {
		all := &keyring.Discovery{Client: func(kmsclient.ARN) (kmsclient.Client, error) { return s, nil }}
		if key, err := all.Unwrap(t.Context(), h); err == nil {
			defer key.Destroy()
			return slices.Clone(key.Bytes())
		}
	}
	return nil
}
