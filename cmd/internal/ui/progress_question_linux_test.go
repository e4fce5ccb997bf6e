package ui

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/envseal/envseal/cmd/internal/testkit"
)

func init() { testkit.Children["askbar"] = childAskBar }

// childAskBar asks in the middle of work of which nothing but a header is done, and takes a while
// to open the key.
func childAskBar([]string) error {
	p := NewProgress(Always, "some file", 300<<20, false)
	p.Add(768)
	passphrase, err := Passphrase("Passphrase: ", false)
	if err != nil {
		return err
	}
	clear(passphrase)
	time.Sleep(progressDelay + 4*barInterval)
	for range 4 {
		p.Add(1 << 20)
		time.Sleep(barInterval)
	}
	p.Finish(nil)
	return nil
}

// The time that somebody takes to type says nothing about the rate.
func TestBarAfterPrompt(t *testing.T) {
	child, _ := testkit.StartChild(t, "askbar")
	terminal := testkit.OnTerminal(t, child, 100)
	terminal.Expect(t, "Passphrase: ")
	time.Sleep(2 * time.Second)
	fmt.Fprint(terminal.Master, "secret\n")
	terminal.Expect(t, "")
	child.Wait()
	_, after, _ := strings.Cut(string(terminal.Seen), "Passphrase: ")
	bars := strings.Split(after, "\r")
	first := -1
	for i, bar := range bars {
		if !strings.Contains(bar, "MiB") {
			continue
		}
		if first < 0 {
			first = i
			if regexp.MustCompile(`\) \d`).MatchString(bar) {
				t.Errorf("a time that is left, of nothing: %q", bar)
			}
		}
		if regexp.MustCompile(`\d[dh]\d\d`).MatchString(bar) {
			t.Errorf("the time of typing counts: %q", bar)
		}
	}
	if first < 0 {
		t.Errorf("no bar: %q", terminal.Seen)
	}
}
