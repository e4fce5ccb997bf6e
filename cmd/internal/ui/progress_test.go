package ui

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/testkit"
)

func TestProgressNil(t *testing.T) {
	var p *Progress
	p.Add(1)
	p.Rename("x")
	p.Grow(1)
	p.hide()
	p.Finish(nil)
	r := strings.NewReader("text")
	if p.Reader(r) != io.Reader(r) {
		t.Error("a reader of its own for nothing")
	}
}

func TestParseProgressMode(t *testing.T) {
	for _, s := range []string{"auto", "always", "never", "json"} {
		if mode, err := ParseMode(s); err != nil || string(mode) != s {
			t.Errorf("%s: %s, %v", s, mode, err)
		}
	}
	if mode, err := ParseMode(""); err != nil || mode != Auto {
		t.Errorf("empty: %s, %v", mode, err)
	}
	_, err := ParseMode("sometimes")
	testkit.WantCode(t, err, exit.Usage, "sometimes: no such mode")
}

// shownBy returns what work of 400 ms puts on a stderr that is a file.
func shownBy(t *testing.T, mode Mode, err error) string {
	t.Helper()
	f, createErr := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if createErr != nil {
		t.Fatal(createErr)
	}
	defer f.Close()
	p := start(f, mode, "name", 8<<20, false, nil)
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			_, err := io.Copy(io.Discard, p.Reader(strings.NewReader(strings.Repeat("x", 1<<20))))
			if err != nil {
				t.Error(err)
			}
		})
	}
	workers.Wait()
	time.Sleep(400 * time.Millisecond)
	p.Finish(err)
	p.Finish(nil)
	text, readErr := os.ReadFile(f.Name())
	if readErr != nil {
		t.Fatal(readErr)
	}
	return string(text)
}

func TestProgressModes(t *testing.T) {
	for _, mode := range []Mode{Auto, Never} {
		if text := shownBy(t, mode, nil); text != "" {
			t.Errorf("%s: %q on a file", mode, text)
		}
	}
	text := shownBy(t, Always, nil)
	if !strings.Contains(text, "50%") || !strings.HasSuffix(text, "\r\x1b[K") {
		t.Errorf("always: %q", text)
	}
}

func TestProgressJSON(t *testing.T) {
	for _, failure := range []error{nil, errors.New("chunk 7: authentication failed")} {
		lines := strings.Split(strings.TrimSpace(shownBy(t, Lines, failure)), "\n")
		if len(lines) < 2 {
			t.Fatalf("only %q", lines)
		}
		for i, line := range lines {
			var got map[string]any
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatal(err)
			}
			want := "progress"
			if i == len(lines)-1 {
				want = "done"
				if failure != nil {
					want = "failed"
				}
			}
			if want == "failed" && got["error"] != failure.Error() {
				t.Errorf("error %v", got["error"])
			}
			eta, ok := got["eta_seconds"].(float64)
			if got["event"] != want || got["name"] != "name" || got["bytes"] != 4194304.0 ||
				got["total"] != 8388608.0 || got["rate"].(float64) <= 0 || !ok || eta <= 0 {
				t.Errorf("line %d: %s", i, line)
			}
		}
	}
}

func TestBarFits(t *testing.T) {
	const huge = 999 << 40
	for _, columns := range []int{2, 10, 20, 38, 39, 40, 41, 63, 64, 65, 80, 87, 88, 89, 100, 200} {
		for _, total := range []int64{-1, 0, 1, 1 << 20, huge} {
			b := newBarLine(total, columns)
			for _, done := range []int64{0, 1, total / 2, total - 1, total, total + 5} {
				s := snapshot{name: "a/名前の長いファイル\x1b[2Jの名前の長いファイル",
					done: max(done, 0), total: total, elapsed: time.Millisecond}
				line := b.render(s, columns)
				if width := displayWidth(line); width > columns-1 || strings.ContainsAny(line, "\r\n\x1b") {
					t.Fatalf("%d columns, %d of %d: %d wide: %q", columns, done, total, width, line)
				}
				if narrower := b.render(s, columns/2); displayWidth(narrower) >= max(columns/2, 1) {
					t.Fatalf("after a resize to %d columns: %q", columns/2, narrower)
				}
			}
		}
	}
}

func displayWidth(s string) (n int) {
	for _, r := range s {
		if n++; r >= 0x1100 {
			n++
		}
	}
	return n
}

func TestSnapshotString(t *testing.T) {
	for _, c := range []struct {
		s    snapshot
		want string
	}{
		{snapshot{done: 1 << 30, total: 4 << 30, elapsed: 2 * time.Second},
			"1.0 GiB of 4.0 GiB (25 %), 512 MiB/s, 6s left"},
		{snapshot{done: 1 << 30, total: -1, elapsed: 2 * time.Second}, "1.0 GiB, 512 MiB/s"},
		{snapshot{done: 0, total: 10, elapsed: 0}, "0 B of 10 B (0 %), 0 B/s"},
		{snapshot{done: 12, total: 10, elapsed: time.Second}, "12 B of 10 B (100 %), 12 B/s, 0s left"},
		{snapshot{done: 1, total: 1 << 62, elapsed: time.Hour},
			"1 B of 4.0 EiB (0 %), 0 B/s, years left"},
		{snapshot{done: 1, total: 200_001, elapsed: time.Second},
			"1 B of 195 KiB (0 %), 1 B/s, 2d07h left"},
		{snapshot{done: 1, total: 7384, elapsed: time.Second}, "1 B of 7.2 KiB (0 %), 1 B/s, 2h03m left"},
		{snapshot{done: 1, total: 188, elapsed: time.Second}, "1 B of 188 B (0 %), 1 B/s, 3m07s left"},
		{snapshot{done: 1023*1024 + 1000, total: -1, elapsed: time.Second}, "1.0 MiB, 1.0 MiB/s"},
	} {
		if got := c.s.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestReportOnSignal(t *testing.T) {
	child, _ := testkit.StartChild(t, "bar", "never", "slow")
	child.Stderr = nil
	stderr, err := child.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	child.Process.Signal(syscall.SIGUSR1)
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "envseal: some file: ") ||
		!strings.HasSuffix(line, " left\n") {
		t.Errorf("%q, %v", line, err)
	}
	if status := testkit.ExitStatus(t, child.Wait()); status != 0 {
		t.Errorf("status %d after SIGUSR1", status)
	}
}
