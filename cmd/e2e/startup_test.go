package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// What the packages may allocate before main begins: a regular expression or a table that is made
// at the start shows here, whoever needs it or not.
const (
	initBytesOfOurs = 8 << 10
	initBytesOfAll  = 3 << 19 // the AWS SDK has two thirds of it
)

// The time of a start is not measured here, which tests cannot do well, but the memory that its
// initialisation takes, which is the same each time.
func TestStartAllocatesLittle(t *testing.T) {
	c := exec.Command("envseal", "version")
	c.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace bytes.Buffer
	c.Stderr = &trace
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	ours, all := 0, 0
	for line := range strings.Lines(trace.String()) {
		var name, at, clock string
		var n, allocs int
		_, err := fmt.Sscanf(line, "init %s %s ms, %s ms clock, %d bytes, %d allocs",
			&name, &at, &clock, &n, &allocs)
		if err != nil {
			t.Fatalf("%q is not as expected: %v", line, err)
		}
		all += n
		if strings.HasPrefix(name, module) {
			ours++
			if n > initBytesOfOurs {
				t.Errorf("%s: its initialisation takes %d bytes in %d pieces, at most %d are allowed",
					name, n, allocs, initBytesOfOurs)
			}
		}
	}
	if ours < 5 {
		t.Errorf("%d packages of %s found, there are more", ours, module)
	}
	if all > initBytesOfAll {
		t.Errorf("initialisation takes %d bytes, at most %d are allowed; GODEBUG=inittrace=1 shows what takes them", all, initBytesOfAll)
	}
}

// Nothing of AWS is read as long as the keystore has the key. The config and credentials files are
// pipes, which tell when somebody opens them.
func TestKeystoreReadsNoAWSConfig(t *testing.T) {
	dir := t.TempDir()
	var opened atomic.Int32
	for _, variable := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		name := filepath.Join(dir, variable)
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv(variable, name)
		go func() {
			for {
				w, err := os.OpenFile(name, os.O_WRONLY, 0) // waits for a reader
				if err != nil {
					return // the test is over
				}
				opened.Add(1)
				w.Close()
			}
		}()
		t.Cleanup(func() { releaseWriter(t, name) })
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_REGION", "eu-central-1")
	r := newRig(t)
	r.write("file", []byte("text"))
	for _, line := range []string{
		"version", "help", "keystore init --no-passphrase", "keystore create-key backup",
		"keystore list-keys", "encrypt -k local:backup file", "inspect file.sealed",
		"verify file.sealed", "decrypt -f file.sealed", "rewrap --add local:backup file.sealed",
		"data-key -k local:backup -o key", "encrypt -f --data-key key file",
	} {
		if r.must(strings.Fields(line)...); opened.Load() != 0 {
			t.Fatalf("envseal %s opened a file of AWS", line)
		}
	}
	if r.run("encrypt", "-k", "alias/backup", "-o", "other", "file"); opened.Load() == 0 {
		t.Error("a key of KMS is asked for, and no file of AWS is opened: this test sees nothing")
	}
}

// releaseWriter ends the wait of who opens a pipe for writing, which is gone when that opens it
// again.
func releaseWriter(t *testing.T, name string) {
	r, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer r.Close()
	if err := os.Remove(name); err != nil {
		t.Error(err)
	}
}
