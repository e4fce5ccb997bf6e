package file

import (
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/testkit"
)

func TestBinaryOnTerminal(t *testing.T) {
	child, _ := testkit.StartChild(t, "through")
	child.Stdin = strings.NewReader("text")
	terminal := testkit.OnTerminal(t, child, 80)
	terminal.Expect(t, "stdout: is a terminal")
	if status := testkit.ExitStatus(t, child.Wait()); status != exit.Output {
		t.Errorf("status %d", status)
	}
}
