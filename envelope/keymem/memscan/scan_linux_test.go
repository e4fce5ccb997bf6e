package memscan

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A process can be scanned by itself; what it holds in ordinary memory must be found there.
func TestScanFindsThisProcess(t *testing.T) {
	key := make([]byte, 32)
	rand.Read(key)
	hits, err := Scan(os.Getpid(), KeyPatterns("key", key))
	if err != nil {
		t.Fatal(err)
	}
	raw := 0
	for _, h := range Unprotected(hits) {
		if h.Pattern == "key raw" {
			raw++
		}
	}
	if raw < 2 { // the key and the pattern made from it
		t.Errorf("raw key found %d times, want at least 2:\n%s", raw, Summary(hits))
	}
	runtime.KeepAlive(key)
}

// A pattern across the border of two reads is found once, and locked memory is told from other.
func TestScanBordersAndLocks(t *testing.T) {
	b, err := unix.Mmap(-1, 0, 2*blockSize+4*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(b)
	for i := range b {
		b[i] = 1
	}
	marker := make([]byte, 64)
	rand.Read(marker)
	patterns := []Pattern{{"marker", append(bytes.Clone(marker[:32]), marker[32:]...)}}
	copy(b[blockSize-20:], marker)
	locked := b[2*blockSize+os.Getpagesize():][:os.Getpagesize()]
	copy(locked, marker)
	if err := unix.Mlock(locked); err != nil {
		t.Fatal(err)
	}
	if err := unix.Madvise(locked, unix.MADV_DONTDUMP); err != nil {
		t.Fatal(err)
	}
	hits, err := Scan(os.Getpid(), patterns)
	if err != nil {
		t.Fatal(err)
	}
	lockedHits := len(hits) - len(Unprotected(hits))
	if lockedHits != 1 || len(hits) != 4 { // two in the mapping, the marker, the pattern
		t.Errorf("%d hits, %d of them locked, want 4 and 1:\n%s", len(hits), lockedHits, Summary(hits))
	}
	runtime.KeepAlive(marker)
}

func TestScanOfNoProcess(t *testing.T) {
	c := exec.Command("true")
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	_, err := Scan(c.Process.Pid, []Pattern{{"x", []byte("xxxx")}})
	if err == nil || !strings.HasPrefix(err.Error(), "memory scan: ") {
		t.Errorf("scan of an ended process: %v", err)
	}
}
