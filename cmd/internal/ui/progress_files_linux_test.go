package ui

import (
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/testkit"
)

func init() { testkit.Children["treebar"] = childTreeBar }

// childTreeBar is a tree of some hundred files that takes a second.
func childTreeBar([]string) error {
	p := NewTreeProgress(Auto, false)
	p.SetTotals(100000, 400<<20)
	for i := range 10 {
		p.Rename("some/directory/file")
		for range 9999 {
			p.FileDone()
		}
		p.Fail()
		p.Add(40 << 20)
		time.Sleep(100 * time.Millisecond)
		if i == 5 {
			Note("a message stands above the bar")
		}
	}
	p.Finish(nil)
	return nil
}

func TestTreeBarOnTerminal(t *testing.T) {
	child, _ := testkit.StartChild(t, "treebar")
	terminal := testkit.OnTerminal(t, child, 40)
	terminal.Expect(t, "")
	child.Wait()
	text := string(terminal.Seen)
	if !strings.HasSuffix(text, "\r\x1b[K") ||
		!strings.Contains(text, "\r\x1b[Kenvseal: a message stands above the bar\r\n") {
		t.Errorf("not wiped: %q", text)
	}
	drawn := strings.Split(text, "\r")
	bars := 0
	for _, line := range drawn {
		line = strings.TrimSuffix(line, "\x1b[K")
		if strings.Contains(line, "/100000") {
			bars++
		}
		if strings.HasPrefix(line, "envseal: ") || strings.HasPrefix(line, "\x1b[K") ||
			strings.HasPrefix(line, "\n") {
			continue
		}
		if len(line) > 39 {
			t.Errorf("%d columns of 40: %q", len(line), line)
		}
	}
	if bars < 5 {
		t.Errorf("drawn %d times: %q", bars, text)
	}
}
