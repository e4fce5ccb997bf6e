package keystore

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBackingKeysStayLocked reads the memory of another process that has opened, changed and used a
// keystore: its backing keys must be found in locked memory, and nowhere else.
func TestBackingKeysStayLocked(t *testing.T) {
	for i, half := range scanHolder(t, newStore(t)) {
		if half.locked == 0 || half.open > 0 {
			t.Errorf("half %d: %d copies in locked memory, %d outside", i, half.locked, half.open)
		}
	}
}

// TestScanFindsKeys shows that the scan would find them: the keys of a clear-text keystore do pass
// through the heap.
func TestScanFindsKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keystore")
	must(t, Create(path, CreateOptions{PlaintextInsecure: true}))
	found := 0
	for _, half := range scanHolder(t, openStore(t, path)) {
		found += half.open
	}
	if found == 0 {
		t.Error("no copy was found where some are known to be")
	}
}

type copies struct{ locked, open int }

// scanHolder counts the halves of all backing keys in another process that holds the keystore open.
func scanHolder(t *testing.T, s *Store) (counts []copies) {
	t.Helper()
	createKey(t, s)
	c := child(t, "hold", s.path)
	in, err := c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	defer func() { in.Close(); must(t, c.Wait()) }()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal("the other process did not get ready")
	}
	st, err := s.acquire() // reads again: the other process has rotated
	must(t, err)
	defer s.release(st)
	if st.used != 2 {
		t.Fatalf("%d backing keys, want 2", st.used)
	}
	for _, b := range st.keys[0].Backing {
		key := st.bytesOf(b)
		for _, half := range [][]byte{key[:16], key[16:]} {
			locked, open := countInMemory(t, c.Process.Pid, half)
			counts = append(counts, copies{locked, open})
		}
	}
	return counts
}

// countInMemory counts where pattern stands in the memory of a process, by /proc/PID/smaps and
// /proc/PID/mem.
func countInMemory(t *testing.T, pid int, pattern []byte) (locked, open int) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	must(t, err)
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	must(t, err)
	defer mem.Close()
	var start, end int64
	var access string
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var flags string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &flags); n == 3 {
			start, end, access = from, to, flags
			continue
		}
		flags, ok := strings.CutPrefix(line, "VmFlags:")
		// the race detector's shadow holds no bytes of the program
		if !ok || !strings.HasPrefix(access, "rw") || end-start > 1<<30 {
			continue
		}
		if found := countInRegion(mem, start, end, pattern); strings.Contains(flags, " lo") {
			locked += found
		} else {
			open += found
		}
	}
	return locked, open
}

func countInRegion(mem *os.File, start, end int64, pattern []byte) (found int) {
	const step = 4 << 20
	chunk := make([]byte, step+len(pattern)-1)
	for at := start; at < end; at += step {
		// pages without memory end the read early
		n, _ := mem.ReadAt(chunk[:min(int64(len(chunk)), end-at)], at)
		found += bytes.Count(chunk[:n], pattern)
	}
	return found
}
