package awskms_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/envseal/envseal/kmsclient"
	"github.com/envseal/envseal/kmsclient/devserver"
)

// shapes are the forms of a key of 32 bytes to look for: the whole, its halves, its base64 text,
// and pieces of that.
func shapes(key []byte) [][]byte {
	text := []byte(base64.StdEncoding.EncodeToString(key))
	return [][]byte{key[:16], key[16:], text[:16], text[14:30], text[27:43]}
}

// scan counts the shapes in the memory of a process: in undumpable memory, and in all other.
func scan(t *testing.T, pid int, key []byte) (locked, open int) {
	t.Helper()
	smaps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	must(t, err)
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	must(t, err)
	defer memory.Close()
	pages, err := os.Open(fmt.Sprintf("/proc/%d/pagemap", pid))
	must(t, err)
	defer pages.Close()
	var low, high uint64
	for line := range strings.Lines(string(smaps)) {
		if fields := strings.Fields(line); len(fields) >= 5 && strings.Contains(fields[0], "-") {
			_, _ = fmt.Sscanf(fields[0], "%x-%x", &low, &high)
		} else if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok &&
			strings.Contains(flags, " rd ") {
			n := count(memory, pages, low, high, shapes(key))
			if strings.Contains(flags, " dd ") {
				locked += n
			} else {
				open += n
			}
		}
	}
	return locked, open
}

// count reads the pages of a region that are there, a run of them at a time.
func count(memory, pages io.ReaderAt, low, high uint64, wanted [][]byte) (n int) {
	const reservation, longestRun = 1 << 36, 1024
	page := uint64(os.Getpagesize())
	total := (high - low) / page
	if high-low > reservation { // of the race detector, without pages of ours
		return 0
	}
	entries := make([]byte, total*8)
	if _, err := pages.ReadAt(entries, int64(low/page*8)); err != nil {
		return 0
	}
	there := func(i uint64) bool { return binary.LittleEndian.Uint64(entries[i*8:])>>62 != 0 }
	for from := uint64(0); from < total; {
		to := from
		for to < total && to-from < longestRun && there(to) {
			to++
		}
		if to == from {
			from++
			continue
		}
		// a little more, for what lies across the edge
		run := make([]byte, min((to-from)*page+64, high-low-from*page))
		got, _ := memory.ReadAt(run, int64(low+from*page))
		for _, shape := range wanted {
			n += bytes.Count(run[:got], shape)
		}
		from = to
	}
	return n
}

// TestNoKeyInMemory reads the memory of a process that calls GenerateDataKey, Encrypt and Decrypt
// over TLS. Outside locked memory there is nothing of the key, ever; in it there is, as long as the
// key is held.
func TestNoKeyInMemory(t *testing.T) {
	for _, leak := range []string{"", "1"} {
		t.Run("leak="+leak, func(t *testing.T) {
			l := start(t, devserver.Options{})
			s, bundle := secure(t, l.srv)
			key, err := l.store.CreateKey(t.Context(), kmsclient.CreateKeyInput{})
			must(t, err)
			must(t, l.store.CreateAlias(t.Context(), "alias/app", key.KeyID))
			cmd := exec.Command(os.Args[0], "-test.run=^$")
			cmd.Env = append(os.Environ(), "ENVSEAL_TEST_CHILD=hold", "ENVSEAL_TEST_LEAK="+leak,
				"AWS_ENDPOINT_URL_KMS="+s.URL, "AWS_CA_BUNDLE="+bundle)
			cmd.Stderr = os.Stderr
			in, err := cmd.StdinPipe()
			must(t, err)
			out, err := cmd.StdoutPipe()
			must(t, err)
			must(t, cmd.Start())
			stages := watch(t, l, cmd.Process.Pid, in, out)
			must(t, cmd.Wait())
			if want := 12 + 3*len(leak); stages != want {
				t.Errorf("%d stages, want %d", stages, want)
			}
		})
	}
}

// watch scans the child at each of its stages.
func watch(t *testing.T, l *local, pid int, in io.Writer, out io.Reader) (stages int) {
	t.Helper()
	var key []byte
	leaked := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if text, ok := strings.CutPrefix(line, "BLOB "); ok {
			blob, err := base64.StdEncoding.DecodeString(text)
			must(t, err)
			opened, err := l.store.Decrypt(t.Context(), kmsclient.DecryptInput{CiphertextBlob: blob})
			must(t, err)
			key = bytes.Clone(opened.Plaintext.Bytes())
			opened.Plaintext.Destroy()
			leaked = false
			continue
		}
		name, ok := strings.CutPrefix(line, "STAGE ")
		if !ok {
			t.Log(line)
			continue
		}
		stages++
		leaked = leaked || name == "leaked"
		locked, open := scan(t, pid, key)
		if open > 0 != leaked {
			t.Errorf("%s: %d pieces of the key in open memory, leaked on purpose: %v", name, open, leaked)
		}
		if locked > 0 != (name != "destroyed") {
			t.Errorf("%s: %d pieces of the key in locked memory", name, locked)
		}
		_, err := io.WriteString(in, "\n")
		must(t, err)
	}
	return stages
}
