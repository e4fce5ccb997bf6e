//go:build torture

package kmstorture

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// fixture is what every trial starts from: two keys, and in folder the files that the commands
// take.
var fixture struct {
	store  string
	keys   [2]string // ARNs
	folder string    // f, good, pairsealed, across, jobs.datakey, app.pair, blob, old
}

const content = "f" // the plaintext file

// makeFixture works with the keystore itself, so that no key service is in play but where a Region
// is needed.
func makeFixture() error {
	x := &fixture
	x.store, x.folder = filepath.Join(scratch, "keystore"), filepath.Join(scratch, "fixture")
	if err := os.Mkdir(x.folder, 0o700); err != nil {
		return err
	}
	local := func(args ...string) (string, error) {
		o := envseal(x.folder, []string{"ENVSEAL_KEYSTORE=" + x.store}, args...)
		if o.code != 0 {
			return "", fmt.Errorf("envseal %v: exit code %d\n%s", args, o.code, o.stderr)
		}
		return strings.TrimSpace(string(o.stdout)), nil
	}
	if _, err := local("keystore", "init", "--no-passphrase"); err != nil {
		return err
	}
	var err error
	for i, name := range []string{"a", "b"} {
		if x.keys[i], err = local("keystore", "create-key", name); err != nil {
			return err
		}
	}
	plain := make([]byte, 200_000)
	rand.Read(plain)
	for name, b := range map[string][]byte{content: plain, "old": []byte("what was here before\n")} {
		if err := os.WriteFile(filepath.Join(x.folder, name), b, 0o600); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"encrypt", "-k", x.keys[0], "-o", "good", content},
		{"key-pair", "-k", x.keys[0], "-o", "app.pair"},
		{"encrypt", "-r", "app.pair", "-o", "pairsealed", content},
		{"data-key", "-k", x.keys[0], "-o", "jobs.datakey"},
	} {
		if _, err := local(args...); err != nil {
			return err
		}
	}
	blob, err := local("kms", "generate-data-key-without-plaintext", "--key-id", x.keys[0],
		"--key-spec", "AES_256", "--query", "CiphertextBlob", "--output", "text")
	if err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(blob)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(x.folder, "blob"), raw, 0o600); err != nil {
		return err
	}
	return sealAcross()
}

// inRegion is a key of the fixture as a Region of serveRegions knows it.
func inRegion(arn, region string) string {
	return strings.Replace(arn, ":local:", ":"+region+":", 1)
}

// sealAcross makes the file whose key lies in another Region than the one it is to be re-wrapped
// for.
func sealAcross() error {
	s, err := serveRegions("")
	if err != nil {
		return err
	}
	defer s.end()
	o := envseal(fixture.folder, s.env, "encrypt", "-k",
		inRegion(fixture.keys[0], homeRegion), "-o", "across", content)
	if o.code != 0 {
		return fmt.Errorf("seal for %s: exit code %d\n%s", homeRegion, o.code, o.stderr)
	}
	return nil
}

// workplace is a folder of its own with the fixture's files of these names.
func workplace(names ...string) (dir string, err error) {
	if dir, err = os.MkdirTemp(scratch, "trial"); err != nil {
		return "", err
	}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(fixture.folder, name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// isContent tells whether a file has the plaintext in it.
func isContent(path string) error {
	want, err := os.ReadFile(filepath.Join(fixture.folder, content))
	if err != nil {
		return err
	}
	got, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s: %d bytes, which are not those that were sealed",
			filepath.Base(path), len(got))
	}
	return err
}

// opens tells whether the keystore itself opens a sealed file to the plaintext.
func opens(dir, name string) error {
	o := envseal(dir, []string{"ENVSEAL_KEYSTORE=" + fixture.store}, "decrypt", "-q",
		"-o", name+".opened", name)
	if o.code != 0 {
		return fmt.Errorf("%s does not open: exit code %d: %s", name, o.code, o.stderr)
	}
	return isContent(filepath.Join(dir, name+".opened"))
}
