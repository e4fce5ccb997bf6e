package child

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/envseal/envseal/cmd/internal/exit"
	"github.com/envseal/envseal/cmd/internal/proc"
	"github.com/envseal/envseal/cmd/internal/testkit"
	"github.com/envseal/envseal/cmd/internal/ui"
)

func TestChildProcess(t *testing.T) {
	name := os.Getenv(testkit.ChildVariable)
	if name == "" {
		return // an ordinary run of the tests: there is nothing to be a child of
	}
	args := os.Args[len(os.Args)-1]
	proc.Catch(ui.HideProgress, ui.ReportProgress)
	err := testkit.Children[name](strings.Split(args, "\x1f"))
	proc.Leave()
	if err == nil {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, "child:", err)
	os.Exit(max(exit.Code(err), 1))
}
